// Expressions: every line of tests/golden/traps/expressions.txt, and bounds on what an expression may cost.
#include "support/error.h"
#include "support/files.h"
#include "tests/catch.h"
#include "traps/expression.h"

using namespace mathtrap;

namespace {

const Names kNames = {{"a", 0}, {"b", 1},     {"half", 2},      {"minus", 3},
                      {"s", 4}, {"empty", 5}, {"item.many", 6}, {"yes", 7}};
const std::vector<Value> kCells = {Rational{7, 1},       Rational{2, 1}, Rational{1, 2},      Rational{-7, 1},
                                   std::string("apple"), std::string(),  std::string("pens"), true};

std::string print(std::string_view expression) {
  try {
    return to_text(Expression::parse(expression, kNames).evaluate(kCells));
  } catch (const Error& error) {
    return std::string("error: ") + error.what();
  }
}

std::string repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

}  // namespace

TEST_CASE("expressions print what the golden file says") {
  constexpr std::string_view kArrow = " => ";
  constexpr std::string_view kError = "error: ";
  std::size_t cases = 0;
  for_each_line(std::string(MATHTRAP_SOURCE_DIR) + "/tests/golden/traps/expressions.txt",
                [&](std::string_view line, std::size_t number) {
                  if (line.empty() || line.starts_with('#')) return;
                  INFO(number << ": " << line);
                  const std::size_t arrow = line.find(kArrow);
                  REQUIRE(arrow != std::string_view::npos);
                  const std::string_view expected = line.substr(arrow + kArrow.size());
                  const std::string printed = print(line.substr(0, arrow));
                  INFO(printed);
                  const bool as_expected = expected.starts_with(kError)
                                               ? printed.starts_with(kError) &&
                                                     printed.find(expected.substr(kError.size())) != std::string::npos
                                               : printed == expected;
                  CHECK(as_expected);
                  ++cases;
                });
  CHECK(cases > 100);
}

TEST_CASE("line breaks and tabs are blanks") {
  CHECK(print("a\n\t+\r\n b") == "9");
}

TEST_CASE("in proofs numbers are terms of SMT-LIB") {
  CHECK(to_smt(Value(Rational{7, 1})) == "7");
  CHECK(to_smt(Value(Rational{-3, 1})) == "(- 3)");
  CHECK(to_smt(Value(Rational{7, 2})) == "(/ 7 2)");
  CHECK(to_smt(Value(Rational{-7, 2})) == "(- (/ 7 2))");
  CHECK(to_smt(Value(Rational{INT64_MIN, 1})) == "(- 9223372036854775808)");
  CHECK(to_smt(Value(true)) == "true");
}

TEST_CASE("the cells that an expression reads are known") {
  CHECK(Expression::parse("1 + 2", kNames).cells_read() == 0);
  CHECK(Expression::parse("half + b", kNames).cells_read() == 3);
  CHECK(Expression::parse("if(yes, a, b)", kNames).cells_read() == 8);
}

TEST_CASE("long and deep expressions are refused") {
  const std::string hostile =
      GENERATE(as<std::string>(), repeated("(", 4000), repeated("-", 4000), repeated("not ", 1000),
               repeated("2^", 2000) + "1", repeated("1+", 2000) + "1", repeated("min(1,", 600), repeated("1", 5000),
               repeated("a", 3000), std::string("1\0+1", 4));
  CHECK(print(hostile).starts_with("error: "));
}

TEST_CASE("a chain of the greatest length evaluates") {
  CHECK(print(repeated("1+", 499) + "1") == "500");
}

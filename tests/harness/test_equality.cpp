// Pairs of answers that are and are not the same.
#include <fmt/format.h>

#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "harness/equality.h"
#include "tests/harness/golden.h"
#include "tests/shared_data.h"

using namespace mathtrap;

TEST_CASE("the golden answer pairs, both ways round") {
  for (const char* file : {"answers/equality.jsonl", "answers/structures.jsonl"}) {
    for_each_case(golden(file), [](const Json& pair) {
      const auto reference = pair["reference"].get<std::string>();
      const auto answer = pair["answer"].get<std::string>();
      CHECK(answers_equal(reference, answer) == pair["equal"].get<bool>());
      CHECK(answers_equal(answer, reference) == pair["equal"].get<bool>());
    });
  }
}

TEST_CASE("hostile answers are compared in bounded time and equal only themselves") {
  const std::vector<std::string> hostile = {
      std::string(1000, '{'),
      std::string(1000, '('),
      std::string(1000000, '9'),
      std::string(999, '9'),
      std::string(500, '^') + "9",
      std::string(1000, ','),
      "\\frac" + std::string(900, '{'),
      "10^{99999999999999999999999}",
      "\\sqrt\\sqrt\\sqrt\\sqrt",
      std::string("\0\xff\xfe", 3),
      "9^9^9^9^9^9^9^9",
      "1/-0",
      "\\boxed{\\boxed{\\boxed{",
      "1e999999999",
      fmt::format("\\begin{{pmatrix}}{}\\end{{pmatrix}}", std::string(400, '&')),
      fmt::format("\\begin{{array}}{}", std::string(900, '{')),
      fmt::format("({}1,2{})", std::string(400, '['), std::string(400, ']')),
      fmt::format("x = {}y", std::string(300, '-')),
      fmt::format("x \\ne 1{}2", std::string(480, ',')),
      "9^{9^{9^{9}}} < x < 9^{9^{9^{8}}}",
      "x = 9^{9^{9^{9^{9^{9}}}}}",
      "(x+1)^{60} (y+1)^{60} = 0",
      fmt::format("\\{{{}\\}}", std::string(490, ',')),
  };
  for (const std::string& a : hostile) {
    for (const std::string& b : hostile) CHECK(answers_equal(a, b) <= (a == b));
    CHECK_FALSE(answers_equal(a, "1"));
  }
}

TEST_CASE("of the references of MATH-500 and GSM8K those are equal that have the same value") {
  if (!has_shared_data("data/math") || !has_shared_data("data/gsm8k")) return;
  std::set<std::string> texts;
  for_each_case(shared_data("data/math/math500_test.jsonl"),
                [&](const Json& row) { texts.insert(row["answer"].get<std::string>()); });
  for_each_case(shared_data("data/gsm8k/test.jsonl"), [&](const Json& row) {
    const auto solution = row["answer"].get<std::string>();
    texts.insert(solution.substr(solution.rfind("#### ") + 5));
  });
  std::set<std::pair<std::string, std::string>> expected;
  for_each_case(golden("answers/equal_references.jsonl"), [&](const Json& fields) {
    if (fields.contains("pair")) expected.emplace(fields["pair"][0], fields["pair"][1]);
  });
  std::set<std::pair<std::string, std::string>> equal;
  for (auto a = texts.begin(); a != texts.end(); ++a) {
    CHECK(answers_equal(*a, *a));
    for (auto b = std::next(a); b != texts.end(); ++b) {
      if (answers_equal(*a, *b)) equal.emplace(*a, *b);
    }
  }
  CHECK(texts.size() == 575);
  CHECK(equal == expected);
}

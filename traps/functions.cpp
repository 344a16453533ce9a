#include "traps/functions.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "support/error.h"

namespace mathtrap {
namespace {

__extension__ using WideUnsigned = unsigned __int128;

constexpr std::size_t kAnyNumber = 32;  // of arguments: min, max, gcd, lcm

struct Function {
  std::string_view name;
  std::size_t least;
  std::size_t most;
  Value (*apply)(std::span<const Value> values);
};

std::int64_t as_integer(const Value& value, std::string_view user) {
  const Rational& number = as_number(value, user);
  if (!number.is_integer()) throw Error(fmt::format("{} wants a whole number, not {}", user, to_text(number)));
  return number.numerator;
}

const std::string& as_string(const Value& value, std::string_view user) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) throw Error(fmt::format("{} wants a text, not {}", user, to_text(value)));
  return *text;
}

Value whole(std::int64_t value) {
  return Rational{value, 1};
}

std::uint64_t magnitude(std::int64_t value) {
  return value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
}

std::int64_t as_signed(std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    throw Error("a value beyond 64 bits");
  return static_cast<std::int64_t>(value);
}

Value call_gcd(std::span<const Value> values) {
  std::uint64_t result = 0;
  for (const Value& value : values) result = std::gcd(result, magnitude(as_integer(value, "gcd")));
  return whole(as_signed(result));
}

Value call_lcm(std::span<const Value> values) {
  Rational result{1, 1};
  for (const Value& value : values) {
    const std::uint64_t next = magnitude(as_integer(value, "lcm"));
    const std::uint64_t divisor = std::gcd(magnitude(result.numerator), next);
    // lcm(0, …) = 0; the greatest common divisor is 0 only when both are.
    result = divisor == 0 ? Rational{0, 1} : multiply(result, {as_signed(next / divisor), 1});
  }
  return result;
}

Value call_min(std::span<const Value> values) {
  Rational least = as_number(values[0], "min");
  for (const Value& value : values) {
    if (compare(as_number(value, "min"), least) < 0) least = as_number(value, "min");
  }
  return least;
}

Value call_max(std::span<const Value> values) {
  Rational most = as_number(values[0], "max");
  for (const Value& value : values) {
    if (compare(as_number(value, "max"), most) > 0) most = as_number(value, "max");
  }
  return most;
}

Value call_abs(std::span<const Value> values) {
  const Rational& number = as_number(values[0], "abs");
  return number.numerator < 0 ? negate(number) : number;
}

Value call_floor(std::span<const Value> values) {
  return whole(floor(as_number(values[0], "floor")));
}
Value call_ceil(std::span<const Value> values) {
  return whole(ceil(as_number(values[0], "ceil")));
}

Value call_isqrt(std::span<const Value> values) {
  const std::int64_t number = as_integer(values[0], "isqrt");
  if (number < 0) throw Error("isqrt wants a number that is not negative");
  // The floating-point root is off by one at most.
  auto root = static_cast<std::int64_t>(std::sqrt(static_cast<long double>(number)));
  const auto square = [](std::int64_t value) {
    return static_cast<WideUnsigned>(value) * static_cast<WideUnsigned>(value);
  };
  while (square(root) > static_cast<WideUnsigned>(number)) --root;
  while (square(root + 1) <= static_cast<WideUnsigned>(number)) ++root;
  return whole(root);
}

std::uint64_t power_modulo(std::uint64_t base, std::uint64_t exponent, std::uint64_t modulus) {
  std::uint64_t result = 1;
  base %= modulus;
  for (; exponent != 0; exponent /= 2) {
    if (exponent % 2 != 0) result = static_cast<std::uint64_t>(static_cast<WideUnsigned>(result) * base % modulus);
    base = static_cast<std::uint64_t>(static_cast<WideUnsigned>(base) * base % modulus);
  }
  return result;
}

/// Miller–Rabin. With the first twelve primes as bases it decides all numbers below 2^64 (Sorenson and Webster 2015).
bool is_prime(std::uint64_t number) {
  constexpr std::array<std::uint64_t, 12> kBases = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
  if (number < 2) return false;
  for (const std::uint64_t prime : kBases) {
    if (number % prime == 0) return number == prime;
  }
  std::uint64_t odd = number - 1;
  int twos = 0;
  for (; odd % 2 == 0; odd /= 2) ++twos;
  for (const std::uint64_t base : kBases) {
    std::uint64_t value = power_modulo(base, odd, number);
    bool witness = value != 1 && value != number - 1;
    for (int i = 1; witness && i < twos; ++i) {
      value = static_cast<std::uint64_t>(static_cast<WideUnsigned>(value) * value % number);
      witness = value != number - 1;
    }
    if (witness) return false;
  }
  return true;
}

Value call_is_prime(std::span<const Value> values) {
  const std::int64_t number = as_integer(values[0], "is_prime");
  return number > 1 && is_prime(static_cast<std::uint64_t>(number));
}

Value call_is_integer(std::span<const Value> values) {
  return as_number(values[0], "is_integer").is_integer();
}
Value call_num(std::span<const Value> values) {
  return whole(as_number(values[0], "num").numerator);
}
Value call_den(std::span<const Value> values) {
  return whole(as_number(values[0], "den").denominator);
}

Value call_plural(std::span<const Value> values) {
  const std::string& one = as_string(values[1], "plural");
  const std::string& many = as_string(values[2], "plural");
  return as_number(values[0], "plural") == Rational{1, 1} ? one : many;
}

Value call_decimal(std::span<const Value> values) {
  return to_decimal(as_number(values[0], "decimal"), as_integer(values[1], "decimal"));
}

Value call_frac(std::span<const Value> values) {
  const Rational& number = as_number(values[0], "frac");
  if (number.is_integer()) return to_text(number);
  return fmt::format("{}\\frac{{{}}}{{{}}}", number.numerator < 0 ? "-" : "", magnitude(number.numerator),
                     number.denominator);
}

Value call_ordinal(std::span<const Value> values) {
  constexpr std::array<std::string_view, 10> kWords = {"first", "second",  "third",  "fourth", "fifth",
                                                       "sixth", "seventh", "eighth", "ninth",  "tenth"};
  const std::int64_t number = as_integer(values[0], "ordinal");
  if (number < 1) throw Error("ordinal wants a number of at least 1");
  if (number <= static_cast<std::int64_t>(kWords.size())) {
    return std::string(kWords.at(static_cast<std::size_t>(number - 1)));
  }
  const bool teen = number / 10 % 10 == 1;
  const std::int64_t last = number % 10;
  const char* ending = teen ? "th" : last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th";
  return fmt::format("{}{}", number, ending);
}

Value call_word(std::span<const Value> values) {
  constexpr std::array<std::string_view, 20> kWords = {
      "one",    "two",    "three",    "four",     "five",    "six",     "seven",     "eight",    "nine",     "ten",
      "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"};
  const std::int64_t number = as_integer(values[0], "word");
  if (number < 1 || number > static_cast<std::int64_t>(kWords.size())) throw Error("word wants a number from 1 to 20");
  return std::string(kWords.at(static_cast<std::size_t>(number - 1)));
}

Value call_upper(std::span<const Value> values) {
  std::string text = as_string(values[0], "upper");
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

constexpr std::array<Function, 18> kFunctions = {{
    {"gcd", 2, kAnyNumber, call_gcd},
    {"lcm", 2, kAnyNumber, call_lcm},
    {"min", 2, kAnyNumber, call_min},
    {"max", 2, kAnyNumber, call_max},
    {"abs", 1, 1, call_abs},
    {"floor", 1, 1, call_floor},
    {"ceil", 1, 1, call_ceil},
    {"isqrt", 1, 1, call_isqrt},
    {"is_prime", 1, 1, call_is_prime},
    {"is_integer", 1, 1, call_is_integer},
    {"num", 1, 1, call_num},
    {"den", 1, 1, call_den},
    {"plural", 3, 3, call_plural},
    {"decimal", 2, 2, call_decimal},
    {"frac", 1, 1, call_frac},
    {"ordinal", 1, 1, call_ordinal},
    {"word", 1, 1, call_word},
    {"upper", 1, 1, call_upper},
}};

Value apply_arithmetic(Operator operation, const Rational& left, const Rational& right) {
  switch (operation) {
    case Operator::plus:
      return add(left, right);
    case Operator::minus:
      return subtract(left, right);
    case Operator::times:
      return multiply(left, right);
    case Operator::divide:
      return divide(left, right);
    case Operator::floor_divide:
      return whole(floor(divide(left, right)));
    case Operator::modulo:
      return subtract(left, multiply(right, {floor(divide(left, right)), 1}));
    default:
      return power(left, as_integer(right, "^"));
  }
}

bool apply_comparison(Operator operation, const Rational& left, const Rational& right) {
  const std::strong_ordering order = compare(left, right);
  switch (operation) {
    case Operator::less:
      return order < 0;
    case Operator::less_equal:
      return order <= 0;
    case Operator::greater:
      return order > 0;
    default:
      return order >= 0;
  }
}

}  // namespace

const Rational& as_number(const Value& value, std::string_view user) {
  const auto* number = std::get_if<Rational>(&value);
  if (number == nullptr) throw Error(fmt::format("{} wants a number, not \"{}\"", user, to_text(value)));
  return *number;
}

bool as_condition(const Value& value) {
  const auto* condition = std::get_if<bool>(&value);
  if (condition == nullptr) throw Error(fmt::format("true or false is wanted, not \"{}\"", to_text(value)));
  return *condition;
}

Value apply(Operator operation, const Value& left, const Value& right) {
  if (operation == Operator::equal || operation == Operator::not_equal) {
    if (left.index() != right.index()) {
      throw Error(fmt::format("\"{}\" and \"{}\" are of different kinds", to_text(left), to_text(right)));
    }
    return (left == right) == (operation == Operator::equal);
  }
  if (operation < Operator::equal) {
    return apply_arithmetic(operation, as_number(left, "arithmetic"), as_number(right, "arithmetic"));
  }
  return apply_comparison(operation, as_number(left, "a comparison"), as_number(right, "a comparison"));
}

std::optional<std::uint16_t> find_function(std::string_view name) {
  for (std::size_t i = 0; i < kFunctions.size(); ++i) {
    if (kFunctions.at(i).name == name) return static_cast<std::uint16_t>(i);
  }
  return std::nullopt;
}

void check_arity(std::uint16_t function, std::size_t count) {
  const Function& found = kFunctions.at(function);
  if (count >= found.least && count <= found.most) return;
  throw Error(fmt::format("{} takes {}{} values, not {}", found.name, found.most == kAnyNumber ? "at least " : "",
                          found.least, count));
}

Value call(std::uint16_t function, std::span<const Value> values) {
  return kFunctions.at(function).apply(values);
}

}  // namespace mathtrap

#include "harness/number.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "support/error.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kMaxDigits = 18;  // of the digits of one number: more do not fit 64 bits
constexpr std::int64_t kMaxExponent = 62;

constexpr std::array kNumberWords = std::to_array<std::pair<std::string_view, std::int64_t>>({
    {"zero", 0},      {"one", 1},       {"two", 2},       {"three", 3},    {"four", 4},     {"five", 5},
    {"six", 6},       {"seven", 7},     {"eight", 8},     {"nine", 9},     {"ten", 10},     {"eleven", 11},
    {"twelve", 12},   {"thirteen", 13}, {"fourteen", 14}, {"fifteen", 15}, {"sixteen", 16}, {"seventeen", 17},
    {"eighteen", 18}, {"nineteen", 19}, {"twenty", 20},   {"thirty", 30},  {"forty", 40},   {"fifty", 50},
    {"sixty", 60},    {"seventy", 70},  {"eighty", 80},   {"ninety", 90},
});
constexpr std::array kScaleWords = std::to_array<std::pair<std::string_view, std::int64_t>>(
    {{"hundred", 100}, {"thousand", 1000}, {"million", 1000000}, {"billion", 1000000000}});

/// Reads a number from the front of a text. Each part either reads on or leaves the position where it was.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::string_view rest() const { return text_.substr(at_); }

  bool skip(std::string_view token) {
    if (!rest().starts_with(token)) return false;
    at_ += token.size();
    return true;
  }

  void skip_blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  std::string_view digits() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  /// "1,234,567", "1234", "12.50", ".5", "3.".
  std::optional<Rational> decimal() {
    const std::size_t begin = at_;
    std::string whole(digits());
    while (!whole.empty() && at_ < text_.size() && text_[at_] == ',' && group_follows()) {
      ++at_;
      whole += digits();
    }
    std::string fraction;
    if (at_ < text_.size() && text_[at_] == '.' && (at_ + 1 == text_.size() || text_[at_ + 1] != '.')) {
      ++at_;
      fraction = digits();
    }
    while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
    whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
    const bool any_digit = std::any_of(text_.begin() + static_cast<std::ptrdiff_t>(begin),
                                       text_.begin() + static_cast<std::ptrdiff_t>(at_), is_digit);
    if (!any_digit || whole.size() + fraction.size() > kMaxDigits) {
      at_ = begin;
      return std::nullopt;
    }
    const std::int64_t numerator = whole.empty() && fraction.empty() ? 0 : std::stoll(whole + fraction);
    return divide({numerator, 1}, power({10, 1}, static_cast<std::int64_t>(fraction.size())));
  }

  std::optional<Rational> signed_decimal() {
    const std::size_t begin = at_;
    const bool negative = skip("-");
    if (!negative) skip("+");
    skip_blanks();
    const std::optional<Rational> value = decimal();
    if (!value) at_ = begin;
    return value && negative ? negate(*value) : value;
  }

  /// "{12}", or one digit as in \frac12.
  std::optional<Rational> argument() {
    const std::size_t begin = at_;
    skip_blanks();
    if (at_ < text_.size() && is_digit(text_[at_])) return Rational{text_[at_++] - '0', 1};
    if (skip("{")) {
      skip_blanks();
      const std::optional<Rational> value = signed_decimal();
      skip_blanks();
      if (value && skip("}")) return value;
    }
    at_ = begin;
    return std::nullopt;
  }

  std::optional<Rational> latex_fraction() {
    const std::size_t begin = at_;
    if (skip("\\frac")) {
      const std::optional<Rational> numerator = argument();
      const std::optional<Rational> denominator = numerator ? argument() : std::nullopt;
      if (denominator && denominator->numerator != 0) return divide(*numerator, *denominator);
    }
    at_ = begin;
    return std::nullopt;
  }

  /// "/ 7": the denominator behind a number.
  std::optional<Rational> denominator() {
    const std::size_t begin = at_;
    skip_blanks();
    if (skip("/")) {
      skip_blanks();
      const std::optional<Rational> value = decimal();
      if (value && value->numerator != 0) return value;
    }
    at_ = begin;
    return std::nullopt;
  }

  /// "1/2" or "\frac{1}{2}" behind a whole number: the rest of a mixed number.
  std::optional<Rational> mixed_part() {
    const std::size_t begin = at_;
    skip_blanks();
    if (const std::optional<Rational> fraction = latex_fraction()) return fraction;
    if (at_ > begin) {
      const std::optional<Rational> numerator = decimal();
      const std::optional<Rational> below = numerator ? denominator() : std::nullopt;
      if (below) return divide(*numerator, *below);
    }
    at_ = begin;
    return std::nullopt;
  }

  /// "^5", "^{-3}".
  std::optional<std::int64_t> exponent() {
    const std::size_t begin = at_;
    if (skip("^")) {
      const bool braces = skip("{");
      const std::optional<Rational> value = signed_decimal();
      const bool small = value && value->is_integer() && std::abs(value->numerator) <= kMaxExponent;
      if (small && (!braces || skip("}"))) return value->numerator;
    }
    at_ = begin;
    return std::nullopt;
  }

  /// "\times 10^3", "e5" behind a number: what it is multiplied by.
  std::optional<Rational> power_of_ten() {
    const std::size_t begin = at_;
    skip_blanks();
    const bool product = skip("\\times") || skip("\\cdot") || skip("*") || skip("x");
    skip_blanks();
    if (product && skip("10")) {
      if (const auto tens = exponent()) return power({10, 1}, *tens);
    }
    at_ = begin;
    if (skip("e") || skip("E")) {
      const std::optional<Rational> tens = signed_decimal();
      if (tens && tens->is_integer() && std::abs(tens->numerator) <= kMaxExponent) {
        return power({10, 1}, tens->numerator);
      }
    }
    at_ = begin;
    return std::nullopt;
  }

 private:
  /// A comma with exactly three digits behind it.
  bool group_follows() const {
    const std::string_view behind = text_.substr(at_ + 1);
    if (behind.size() < 3 || !std::all_of(behind.begin(), behind.begin() + 3, is_digit)) return false;
    return behind.size() == 3 || !is_digit(behind[3]);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::optional<Rational> unsigned_number(Scanner& scanner) {
  if (const auto fraction = scanner.latex_fraction()) return fraction;
  std::optional<Rational> value = scanner.decimal();
  if (!value) return std::nullopt;
  if (const auto below = scanner.denominator()) return divide(*value, *below);
  if (value->is_integer()) {
    if (const auto part = scanner.mixed_part()) return add(*value, *part);
  }
  if (const auto exponent = scanner.exponent()) return power(*value, *exponent);
  if (const auto scale = scanner.power_of_ten()) return multiply(*value, *scale);
  return value;
}

std::optional<Rational> number_word(Scanner& scanner) {
  const std::string lower = lower_case(scanner.rest());
  std::size_t length = 0;
  while (length < lower.size() && is_letter(lower[length])) ++length;
  for (const auto& [word, value] : kNumberWords) {
    if (word == std::string_view(lower).substr(0, length)) {
      scanner.skip(scanner.rest().substr(0, length));
      return Rational{value, 1};
    }
  }
  return std::nullopt;
}

/// What may stand behind a number and be dropped: nothing, words, or a unit without a blank.
bool is_unit(std::string_view rest) {
  static const RE2 words(
      R"(\s+(?:[A-Za-z][A-Za-z'-]+|[gmslhLNJWVAK])(?:[\s/.^-]+(?:[A-Za-z'-]+|\{?[23]\}?)){0,5}|-?(?:year|day|hour|minute|meter|foot)s?-?(?:old)?)");
  static const RE2 attached(
      R"((?i)(?:cm|mm|km|kg|mg|ml|mph|kmh|km/h|m/s|ft|hrs?|min|sec|yd|lbs?|oz|gb|mb|am|pm|st|nd|rd|th)(?:\^\{?[23]\}?)?)");
  // Words that carry a value: with them the number is not the whole answer.
  static const RE2 values(
      R"((?i).*\b(?:pi|sqrt|and|or|plus|minus|times|over|squared|cubed|to|dozen)\b.*|.*[0-9].*|.*\\.*)");
  static const RE2 powers(R"(.*\^\{?[23]\}?)");
  if (trim_blanks(rest).empty()) return true;
  if (RE2::FullMatch(std::string(rest), attached)) return true;
  if (!RE2::FullMatch(std::string(rest), words)) return false;
  return RE2::FullMatch(std::string(rest), powers) || !RE2::FullMatch(std::string(rest), values);
}

/// The values of a text that begins with a number, once the number is read.
std::vector<Rational> values_with_rest(const Rational& value, Scanner& scanner) {
  scanner.skip_blanks();
  if (scanner.skip("%") || scanner.skip("percent") || scanner.skip("per cent")) {
    if (!is_unit(scanner.rest())) return {};
    return {value, divide(value, {100, 1})};
  }
  for (const auto& [word, scale] : kScaleWords) {
    if (!scanner.skip(word)) continue;
    if (!is_unit(scanner.rest())) return {};
    return {multiply(value, {scale, 1}), value};
  }
  return {value};
}

std::vector<Rational> read_values(std::string_view text) {
  Scanner scanner(text);
  const bool negative = scanner.skip("-");
  if (!negative) scanner.skip("+");
  scanner.skip_blanks();
  std::optional<Rational> value = unsigned_number(scanner);
  if (!value) value = number_word(scanner);
  if (!value) return {};
  if (negative) value = negate(*value);
  Scanner scaled = scanner;
  std::vector<Rational> values = values_with_rest(*value, scaled);
  if (values.size() == 1 && !is_unit(scanner.rest())) values.clear();
  return values;
}

}  // namespace

std::vector<Rational> possible_values(std::string_view plain) {
  plain = trim_blanks(plain);
  if (plain.size() > 2 && plain.front() == '(' && plain.find(')') == plain.size() - 1) {
    plain = trim_blanks(plain.substr(1, plain.size() - 2));
  }
  try {
    return read_values(plain);
  } catch (const Error&) {
    // Beyond 64 bits: such answers are compared as texts.
    return {};
  }
}

}  // namespace mathtrap

#include "traps/rational.h"

#include <fmt/format.h>

#include <limits>

#include "support/error.h"

namespace mathtrap {
namespace {

// Products of two 64-bit numbers, and sums of two such products, fit.
__extension__ using Wide = __int128;

constexpr std::int64_t kMaxDigits = 18;

std::int64_t narrow(Wide value) {
  if (value < std::numeric_limits<std::int64_t>::min() || value > std::numeric_limits<std::int64_t>::max()) {
    throw Error("a value beyond 64 bits");
  }
  return static_cast<std::int64_t>(value);
}

Wide greatest_common_divisor(Wide a, Wide b) {
  while (b != 0) {
    const Wide rest = a % b;
    a = b;
    b = rest;
  }
  return a < 0 ? -a : a;
}

Rational lowest_terms(Wide numerator, Wide denominator) {
  if (denominator == 0) throw Error("division by zero");
  if (denominator < 0) {
    numerator = -numerator;
    denominator = -denominator;
  }
  const Wide divisor = greatest_common_divisor(numerator, denominator);
  // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): the denominator is not 0, so neither is the divisor.
  return {narrow(numerator / divisor), narrow(denominator / divisor)};
}

Wide magnitude(std::int64_t value) {
  return value < 0 ? -static_cast<Wide>(value) : static_cast<Wide>(value);
}

}  // namespace

Rational add(const Rational& a, const Rational& b) {
  if (a.is_integer() && b.is_integer()) return {narrow(static_cast<Wide>(a.numerator) + b.numerator), 1};
  return lowest_terms(static_cast<Wide>(a.numerator) * b.denominator + static_cast<Wide>(b.numerator) * a.denominator,
                      static_cast<Wide>(a.denominator) * b.denominator);
}

Rational subtract(const Rational& a, const Rational& b) {
  if (a.is_integer() && b.is_integer()) return {narrow(static_cast<Wide>(a.numerator) - b.numerator), 1};
  return lowest_terms(static_cast<Wide>(a.numerator) * b.denominator - static_cast<Wide>(b.numerator) * a.denominator,
                      static_cast<Wide>(a.denominator) * b.denominator);
}

Rational multiply(const Rational& a, const Rational& b) {
  return lowest_terms(static_cast<Wide>(a.numerator) * b.numerator, static_cast<Wide>(a.denominator) * b.denominator);
}

Rational divide(const Rational& a, const Rational& b) {
  return lowest_terms(static_cast<Wide>(a.numerator) * b.denominator, static_cast<Wide>(a.denominator) * b.numerator);
}

Rational negate(const Rational& a) {
  return {narrow(-static_cast<Wide>(a.numerator)), a.denominator};
}

Rational power(const Rational& base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base.numerator == 0) throw Error("division by zero");
    // The inverse of the base first: its powers overflow exactly when the result does.
    if (exponent == std::numeric_limits<std::int64_t>::min()) throw Error("a value beyond 64 bits");
    return power(divide({1, 1}, base), -exponent);
  }
  Rational result{1, 1};
  Rational square = base;
  while (true) {
    if (exponent % 2 != 0) result = multiply(result, square);
    exponent /= 2;
    if (exponent == 0) return result;
    square = multiply(square, square);
  }
}

std::strong_ordering compare(const Rational& a, const Rational& b) {
  return static_cast<Wide>(a.numerator) * b.denominator <=> static_cast<Wide>(b.numerator) * a.denominator;
}

std::int64_t floor(const Rational& a) {
  const std::int64_t towards_zero = a.numerator / a.denominator;
  return a.numerator % a.denominator < 0 ? towards_zero - 1 : towards_zero;
}

std::int64_t ceil(const Rational& a) {
  const std::int64_t towards_zero = a.numerator / a.denominator;
  return a.numerator % a.denominator > 0 ? towards_zero + 1 : towards_zero;
}

std::string to_text(const Rational& a) {
  return a.is_integer() ? fmt::format("{}", a.numerator) : fmt::format("{}/{}", a.numerator, a.denominator);
}

std::string to_smt(const Rational& a) {
  // The magnitude may be 2^63, which only an unsigned number holds.
  const auto size = static_cast<std::uint64_t>(magnitude(a.numerator));
  const std::string text = a.is_integer() ? fmt::format("{}", size) : fmt::format("(/ {} {})", size, a.denominator);
  return a.numerator < 0 ? fmt::format("(- {})", text) : text;
}

std::string to_decimal(const Rational& a, std::int64_t digits) {
  if (digits < 0 || digits > kMaxDigits) throw Error(fmt::format("decimal takes 0 to {} digits", kMaxDigits));
  Wide scale = 1;
  for (std::int64_t i = 0; i < digits; ++i) scale *= 10;
  // |numerator| * scale < 2^63 * 10^18 < 2^123: twice that still fits.
  const Wide scaled = (2 * magnitude(a.numerator) * scale + a.denominator) / (2 * static_cast<Wide>(a.denominator));
  const auto whole = static_cast<std::uint64_t>(scaled / scale);
  const auto part = static_cast<std::uint64_t>(scaled % scale);
  const std::string sign = a.numerator < 0 && scaled != 0 ? "-" : "";
  if (digits == 0) return fmt::format("{}{}", sign, whole);
  return fmt::format("{}{}.{:0{}}", sign, whole, part, static_cast<int>(digits));
}

}  // namespace mathtrap

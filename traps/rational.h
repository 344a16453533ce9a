// Exact fractions of 64-bit whole numbers. What does not fit is an error, never a wrong value.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace mathtrap {

/// In lowest terms, denominator > 0. Whole numbers have denominator 1.
struct Rational {
  std::int64_t numerator = 0;
  std::int64_t denominator = 1;

  bool is_integer() const { return denominator == 1; }
  friend bool operator==(const Rational&, const Rational&) = default;
};

/// All throw Error: division by zero, or a result beyond 64 bits.
Rational add(const Rational& a, const Rational& b);
Rational subtract(const Rational& a, const Rational& b);
Rational multiply(const Rational& a, const Rational& b);
Rational divide(const Rational& a, const Rational& b);
Rational negate(const Rational& a);
/// base ^ exponent; 0 ^ 0 = 1. A negative exponent inverts.
Rational power(const Rational& base, std::int64_t exponent);

std::strong_ordering compare(const Rational& a, const Rational& b);
/// The greatest whole number that is at most `a`.
std::int64_t floor(const Rational& a);
std::int64_t ceil(const Rational& a);

/// "7", "-3", "7/2".
std::string to_text(const Rational& a);
/// The same as a term of SMT-LIB 2: "7", "(- 3)", "(/ 7 2)", "(- (/ 7 2))".
std::string to_smt(const Rational& a);
/// Rounded to `digits` digits after the point (0 to 18), halves away from zero: "3.50".
std::string to_decimal(const Rational& a, std::int64_t digits);

}  // namespace mathtrap

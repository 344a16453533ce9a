// Whether two expressions have the same value whatever their variables stand for.
#pragma once

#include <optional>

#include "harness/math_expression.h"

namespace mathtrap {

/// Decided in two steps. Values at fixed pseudo-random points, in double precision, tell apart what differs; this costs
/// microseconds. What agrees there is put to GiNaC: equal when the expanded difference is zero, or when it vanishes at
/// all points to 50 digits (\sqrt{3+2\sqrt2} = 1+\sqrt2).
///
/// Nothing is computed before it is bounded: exponents beyond kMaxPower, numbers beyond kMaxBits bits and expansions of
/// more than kMaxTerms terms are not begun, and values beyond 10^60 are no values. An expression that has no value at
/// two points or more equals nothing.
bool expressions_equal(const MathExpression& a, const MathExpression& b);

/// Whether a = c b with a constant c that is not 0; with `positive` one above 0. Two equations a = 0 and b = 0 have the
/// same solutions then. Decided as above, of a b(p) and b a(p) at a point p where neither vanishes.
bool proportional(const MathExpression& a, const MathExpression& b, bool positive);

/// The value in double precision of an expression without variables; nothing when there is none, or none that is real.
std::optional<double> real_constant(const MathExpression& e);

inline constexpr double kMaxPower = 64;
inline constexpr double kMaxBits = 4096;
inline constexpr double kMaxTerms = 500;

}  // namespace mathtrap

// Sets of real numbers as answers: intervals, their unions, and inequalities in one variable.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/math_expression.h"

namespace mathtrap {

struct Endpoint {
  enum class Kind { minus_infinity, finite, plus_infinity };
  Kind kind = Kind::finite;
  MathExpression value;          ///< of a finite one
  std::optional<double> number;  ///< its value in double precision; nothing when it holds variables
};

/// From `low` to `high`; a single number when both are the same and closed.
struct Interval {
  Endpoint low;
  Endpoint high;
  bool low_closed = false;
  bool high_closed = false;
};

struct RealSet {
  std::string variable;             ///< the one it is said of; empty when none is named
  std::vector<Interval> intervals;  ///< in order and apart where all endpoints are numbers; else as written
  bool sure = true;                 ///< false for (a, b) and [a, b], which may be pairs as well
};

inline constexpr std::size_t kMaxIntervals = 64;

/// Reads [a, b), unions (\cup, U), \mathbb{R}, "all real numbers", \mathbb{R} \setminus \{1, 2\}, x \in …,
/// \{x : …\}, and inequalities in one variable: x \ge 2, 2 \le x < 5, x \ne 3, joined by "or", "and" or commas. "x < 1
/// and x > 3", which no number fulfils, is read as the union that its writer meant. Nothing when the text is something
/// else. `text` is an undressed answer (latex.h).
std::optional<RealSet> parse_real_set(std::string_view text);

/// Whether both hold the same numbers; of two variables' names both must be the same.
bool real_sets_equal(const RealSet& a, const RealSet& b);

}  // namespace mathtrap

// Whether two answers that hold a single value are the same.
#pragma once

#include <optional>
#include <string>

namespace mathtrap {

/// What one comparison of two answers may cost. It is counted, not timed: a clock would make verdicts depend on how
/// busy a machine is. Where it is used up, texts alone decide.
struct ComparisonBudget {
  int scalars = 1000;  ///< comparisons of scalars, each well below a millisecond

  bool spend_scalar() { return --scalars >= 0; }
};

/// Whether two numbers share a value (number.h); nothing unless both are numbers. Of two numbers that alone counts, and
/// never their texts: "1 1/2" is not 11/2. `a` and `b` are plain answers (latex.h).
std::optional<bool> numbers_equal(const std::string& a, const std::string& b);

/// The same of plain answers that are not both numbers: expressions are compared by value (symbolic.h), all else as
/// texts without units and articles.
bool scalars_equal(const std::string& a, const std::string& b, ComparisonBudget& budget);

}  // namespace mathtrap

// Whether two answers that hold a single value are the same.
#pragma once

#include <string>

namespace mathtrap {

/// What one comparison of two answers may cost. It is counted, not timed: a clock would make verdicts depend on how busy
/// a machine is. Where it is used up, texts alone decide.
struct ComparisonBudget {
  int scalars = 2000;  ///< comparisons of scalars, of about 0.1 ms

  bool spend_scalar() { return --scalars >= 0; }
};

/// `a` and `b` are plain or undressed answers (latex.h), no longer than kMaxAnswerBytes. Numbers are compared exactly
/// (number.h), expressions by value (symbolic.h), all else as texts without units and articles. "x = 5" is 5 here.
bool scalars_equal(const std::string& a, const std::string& b, ComparisonBudget& budget);

/// True when both are numbers: then only their values count, and never their texts ("1 1/2" is not 11/2).
bool both_numbers(const std::string& a, const std::string& b);

}  // namespace mathtrap

// Whether two final answers are the same.
#pragma once

#include <string_view>

namespace mathtrap {

/// True when `answer`, as a model wrote it, states `reference`. Decided by rules in bounded time and memory (of texts
/// up to kMaxAnswerBytes; longer answers are equal when they are the same bytes):
///   - dressing goes (latex.h); equal texts are equal, without regard to case and blanks;
///   - numbers are compared exactly (number.h): 0.5 = 1/2 = \frac12 = 50%, 1,000 = 1000.00, $29.00 = 29, units dropped;
///     0.33 is not 1/3;
///   - expressions with roots, pi or variables are compared by value (symbolic.h): 2\sqrt3 = \sqrt{12}, (x+1)^2 =
///     x^2+2x+1, \cos 60^\circ = 1/2; what is beyond its bounds is compared as text;
///   - lists "1, 2" and "1 and 2" and sets are compared without order, tuples with it, matrices entry by entry, each
///     item by these rules again; a set of one and a vector are the same as their item and as the tuple of their
///     entries;
///   - equations have the same solutions when their differences are proportional (relation.h): y = 2x + 3 is 2x - y + 3
///     = 0. "x = 5" is 5 and "y = 2x + 3" is 2x + 3, but not "x = 5" and "y = 5". "x = 1, y = 2" is (x, y) = (1, 2) and
///     (1, 2);
///   - intervals, unions and inequalities are compared as sets of numbers (real_set.h): [2, \infty) is x \ge 2.
/// (a, b) may be a pair or an open interval, [a, b] a list or a closed one: against another of its kind it does not
/// matter which; against an inequality or a union it is an interval, against a vector a pair.
bool answers_equal(std::string_view reference, std::string_view answer);

}  // namespace mathtrap

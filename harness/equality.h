// Whether two final answers are the same.
#pragma once

#include <string_view>

namespace mathtrap {

/// True when `answer`, as a model wrote it, states `reference`. Decided by rules in bounded time (of texts up to
/// kMaxAnswerBytes; longer answers are equal when they are the same bytes):
///   - dressing goes (latex.h); equal texts are equal, without regard to case and blanks;
///   - numbers are compared exactly (number.h): 0.5 = 1/2 = \frac12 = 50%, 1,000 = 1000.00, $29.00 = 29, units dropped;
///     0.33 is not 1/3;
///   - lists "1, 2" and "1 and 2" and sets are compared without order, tuples and intervals with it, item by item;
///   - expressions with roots, pi or variables are compared by value (symbolic.h): 2\sqrt3 = \sqrt{12}, (x+1)^2 =
///     x^2+2x+1; what is beyond its bounds is compared as text.
bool answers_equal(std::string_view reference, std::string_view answer);

}  // namespace mathtrap

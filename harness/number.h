// Numbers as answers state them, read exactly.
#pragma once

#include <string_view>
#include <vector>

#include "traps/rational.h"

namespace mathtrap {

/// The values that a plain answer (see latex.h) can stand for; none when it is not a number, or one beyond 64 bits.
///
/// Read are whole numbers with or without thousands commas, decimals, a/b, \frac{a}{b}, mixed numbers ("1 1/2",
/// "1\frac{1}{2}"), powers and scientific notation ("10^6", "1.5 \times 10^{3}", "2e5"), one to twenty and the tens in
/// words, a percent sign, and a unit behind the number, which is dropped ("12 apples", "5cm", "3 m/s"). A variable is
/// not a unit: "5x" is no number.
///
/// Two values: a percentage stands for itself and for its hundredth ("50%": 50 and 1/2), and "2 million" for 2,000,000
/// and, the word taken as a unit, for 2. Whether a unit was wanted the data sets do not say; two answers are the same
/// when they share a value.
std::vector<Rational> possible_values(std::string_view plain);

}  // namespace mathtrap

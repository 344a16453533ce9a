// Equality of answers as the grader published with the MATH data set decides it, for numbers that are to stand beside
// published ones.
#pragma once

#include <string>
#include <string_view>

namespace mathtrap {

/// True when both answers are the same bytes after the normalisation of the paper's grader (Hendrycks et al. 2021,
/// "Measuring Mathematical Problem Solving With the MATH Dataset"), in this order:
///   1. line breaks and "\!" go; "\\" is "\"; \dfrac and \tfrac are \frac; \left, \right, degree signs and "\$" go;
///   2. a unit, "\text{ …" to the end, goes; "\%" and "%" go; " ." and "{." get a 0 before the point, and so does a
///   leading one;
///   3. "x = 5" is 5 where at most two characters stand before the only "=";
///   4. \sqrt3 is \sqrt{3}; blanks go; \frac12 and \frac1{72} get their braces;
///   5. 0.5 is \frac{1}{2}, and a/b of whole numbers is \frac{a}{b}.
/// Nothing else is known to be equal: 0.25 is not \frac{1}{4}, nor 1,000 1000. Where the published program fails on a
/// text (nothing behind \sqrt, two units) the texts as they are decide. Linear in the lengths; texts longer than
/// kMaxHendrycksBytes are compared as they are.
bool hendrycks_equal(std::string_view reference, std::string_view answer);

inline constexpr std::size_t kMaxHendrycksBytes = std::size_t{1} << 20;

}  // namespace mathtrap

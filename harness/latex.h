// Final answers as people and models write them, brought into one plain form: LaTeX dressing off, synonyms replaced.
#pragma once

#include <string>
#include <string_view>

namespace mathtrap {

/// The answer without math delimiters, \boxed, \text, \left and \right, spacing commands, currency signs, emphasis and
/// a final full stop; \dfrac is \frac; Unicode signs are their LaTeX commands; rows of matrices are separated by \cr.
/// Degree signs go, but beside a sine or its kin they are \degree. Blanks stay, for units are told from variables by
/// them. The rules are those of the MATH data set's scripts (Hendrycks et al. 2021) and the forms seen in models'
/// replies. Texts longer than kMaxAnswerBytes come back as they are.
std::string undressed_answer(std::string_view answer);

/// An undressed answer without the name of what is answered: "x = 5", "f(x) = 5", "2 + 3 = 5" are "5". Equations stay.
std::string without_name(const std::string& undressed);

/// Both.
std::string plain_answer(std::string_view answer);

/// What is compared when two answers are not both numbers: `plain` without blanks, in lower case, with one spelling of
/// fractions (a/b, \frac12), roots (\sqrt3, sqrt(3)), products and powers.
std::string canonical_text(std::string_view plain);

/// Longer answers are compared as they are: no final answer of any data set comes near.
inline constexpr std::size_t kMaxAnswerBytes = 1000;

}  // namespace mathtrap

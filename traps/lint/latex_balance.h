// Whether LaTeX is balanced: dollars, braces, \left and \right, \begin and \end.
#pragma once

#include <string>
#include <string_view>

namespace mathtrap {

/// What is unbalanced, as one phrase; "" when nothing is.
std::string unbalanced_latex(std::string_view text);

}  // namespace mathtrap

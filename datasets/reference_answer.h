// The final answer of a worked reference solution, by the conventions of GSM8K and MATH. (Answers of models are read
// elsewhere: they follow no convention.)
#pragma once

#include <string>
#include <string_view>

namespace mathtrap {

/// What the last `#### ` of a GSM8K solution is followed by, else the inside of the last \boxed{} or \fbox{} of a MATH
/// solution (braces balanced; also "\boxed 5"). Empty when there is none.
std::string reference_answer(std::string_view solution);

/// A GSM8K solution without its calculator annotations: "2*3=<<2*3=6>>6" becomes "2*3=6".
std::string without_calculator_notes(std::string_view solution);

}  // namespace mathtrap

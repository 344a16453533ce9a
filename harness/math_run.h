// Where mathematics begins and ends in running text.
#pragma once

#include <string_view>

namespace mathtrap {

/// The mathematics at the front of a text, up to the first word or the end of the sentence: of "12 apples are left." it
/// is "12", of "$x = 5$ and $y = 2$, so" it is "$x = 5$ and $y = 2$". Empty when the text begins with a word.
std::string_view math_run(std::string_view text);

/// The last number or expression of a text; empty when it holds none. "so 3 + 4 = 7 apples" gives "3 + 4 = 7".
std::string_view last_expression(std::string_view text);

}  // namespace mathtrap

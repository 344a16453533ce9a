// The last displayed equation of a reply.
#pragma once

#include <string_view>

namespace mathtrap {

/// What the last display (\[ … \], $$ … $$, equation and align environments) ends with: of its last line what stands
/// behind the last "=" outside of braces; the whole line when that is nothing or 0. Empty when there is no display that
/// is closed, or its last line says nothing. It is a part of `text`.
std::string_view last_displayed(std::string_view text);

/// Whether a text draws a conclusion with a number or expression of its own: "so he has 12", "the total is $x$".
bool draws_conclusion(std::string_view text);

}  // namespace mathtrap

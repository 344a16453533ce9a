// Is a text running English, or code, a list, a poem, a table: something that somebody wrote to be read? What is not
// (menus, lists of keywords, shuffled words, failed OCR, broken encodings) is told by counting; docs/text-filter.md
// says why what.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mathtrap {

/// Why an English text is disfluent, with the measured value and its bound, or nothing. Texts in other languages have
/// none of the small words that are counted, and long ones are taken for disfluent.
std::optional<std::string> disfluency_reason(std::string_view text);

}  // namespace mathtrap

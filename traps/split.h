// Train, validation and test: a text belongs to one of them by a hash of what stands in it, so no text is in two.
#pragma once

#include <string_view>

namespace mathtrap {

enum class Split { train, validation, test };

std::string_view to_string(Split split);
/// Throws Error naming the splits when `text` is none of them.
Split parse_split(std::string_view text);

/// By the numbers in the text, in their order: 80, 10 and 10 in a hundred. Texts that differ in words alone share a
/// split.
Split split_by_numbers(std::string_view text);
/// By the whole text.
Split split_by_text(std::string_view text);

}  // namespace mathtrap

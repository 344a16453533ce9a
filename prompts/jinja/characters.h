// Texts as Python sees them: sequences of characters, stored as UTF-8. A byte that is no part of a character counts as
// one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mathtrap::jinja {

/// Bytes of the character at `at`, 1 to 4.
std::size_t character_size(std::string_view text, std::size_t at);
std::size_t count_characters(std::string_view text);
std::vector<std::string_view> characters(std::string_view text);

/// Which ends of a text are meant.
enum class Ends { both, left, right };

/// Without Python's white space, or without the characters of `set` when it is not empty.
std::string_view strip(std::string_view text, Ends ends, std::string_view set = {});
/// Parts between runs of white space, as Python's split() gives them.
std::vector<std::string_view> split_at_blanks(std::string_view text);

/// Bytes of white space at the beginning of the text.
std::size_t leading_blanks(std::string_view text);

/// Upper or lower case of ASCII letters. Throws Failure for a text with other letters, whose case needs tables.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);

}  // namespace mathtrap::jinja

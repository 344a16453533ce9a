// Unicode, as the tokenizers need it: UTF-8, the classes that pre-tokenisers tell apart, canonical composition.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mathtrap {

/// The text with every sequence of bytes that is not UTF-8 replaced by U+FFFD, as Unicode recommends (one for each
/// maximal part of a character).
std::string replace_invalid_utf8(std::string_view text);

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 0;  ///< of its UTF-8
};

/// The first code point of a text that is valid UTF-8 and not empty.
CodePoint first_code_point(std::string_view text);
void append_utf8(std::string& to, char32_t code_point);

/// \p{L}, \p{N} and \s (White_Space) of regular expressions; no code point is in two of them.
enum class CharacterClass { letter, number, space, other };
CharacterClass class_of(char32_t code_point);

/// Normalisation form C (Unicode Standard Annex 15) of valid UTF-8.
std::string compose_canonically(std::string_view text);

}  // namespace mathtrap

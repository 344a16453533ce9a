// How byte-level vocabularies write bytes as characters, so that every token is text: printable bytes of Latin-1 are
// themselves, the others are the characters from U+0100 on (GPT-2's encoder).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mathtrap {

/// The bytes that a token's text stands for; nothing when it has a character that stands for none. `text` is valid
/// UTF-8.
std::optional<std::string> bytes_of_characters(std::string_view text);
/// The text that stands for bytes.
std::string characters_of_bytes(std::string_view bytes);

}  // namespace mathtrap

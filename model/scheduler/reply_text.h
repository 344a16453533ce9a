// The text of a reply as it grows: stop strings across token borders, and bytes that make no character.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace mathtrap {

/// Where the first of `stops` begins in `text`, of which the first `known` bytes were looked through before; npos:
/// nowhere.
std::size_t find_stop(std::string_view text, std::size_t known, std::span<const std::string> stops);

/// The text with every sequence of bytes that is not UTF-8 replaced by U+FFFD, as Unicode recommends (one for each
/// maximal part of a character).
std::string replace_invalid_utf8(std::string_view text);

}  // namespace mathtrap

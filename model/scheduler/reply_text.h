// The text of a reply as it grows: stop strings across token borders.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace mathtrap {

/// Where the first of `stops` begins in `text`, of which the first `known` bytes were looked through before; npos:
/// nowhere.
std::size_t find_stop(std::string_view text, std::size_t known, std::span<const std::string> stops);

}  // namespace mathtrap

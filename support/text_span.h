// A part of a text, by its place.
#pragma once

#include <cstddef>

namespace mathtrap {

/// The bytes [begin, end).
struct TextSpan {
  std::size_t begin = 0;
  std::size_t end = 0;

  bool operator==(const TextSpan&) const = default;
};

}  // namespace mathtrap

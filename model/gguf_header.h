// The header of a GGUF file, versions 2 and 3: metadata, and the type, shape and place of each tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/quantized/block_format.h"

namespace mathtrap {

/// Type numbers of metadata values.
enum class GgufType : std::uint32_t {
  uint8 = 0,
  int8 = 1,
  uint16 = 2,
  int16 = 3,
  uint32 = 4,
  int32 = 5,
  float32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  uint64 = 10,
  int64 = 11,
  float64 = 12,
};

/// An array of numbers stays as it lies in the file; one of strings is split.
struct GgufArray {
  GgufType type = GgufType::uint8;  ///< of its elements
  std::uint64_t count = 0;
  std::span<const std::byte> numbers;
  std::vector<std::string_view> strings;
};

/// Integers and floats of every width are widened; an unsigned integer above 2^63 - 1 is refused. A float32 becomes the
/// double of its shortest decimal text, so that 1e-5 is 1e-5.
using GgufValue = std::variant<std::int64_t, double, bool, std::string_view, GgufArray>;

struct GgufTensor {
  std::string name;
  GgufTensorType type = GgufTensorType::f32;
  std::vector<std::int64_t> shape;  ///< outermost first, as LibTorch has it
  std::span<const std::byte> bytes;
};

struct GgufHeader {
  std::map<std::string, GgufValue> metadata;
  std::vector<GgufTensor> tensors;
};

/// Everything refers to `file`. Throws Error (with `path` as the place): counts and lengths beyond the file, tensors
/// that overlap or lie outside of it, types that are not supported.
GgufHeader read_gguf_header(std::span<const std::byte> file, const std::string& path);

}  // namespace mathtrap

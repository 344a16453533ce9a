// Number formats of tensors in GGUF files: floats, and blocks of small integers with scales, as ggml defines them.
#pragma once

#include <cstdint>
#include <string>

namespace mathtrap {

/// Type numbers of tensors that are read.
enum class GgufTensorType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
};

/// A row of a tensor consists of whole blocks.
struct BlockFormat {
  GgufTensorType type;
  const char* name;
  std::int64_t elements;  ///< of a block
  std::int64_t bytes;     ///< of a block
  /// Writes a block's `elements` values; null where the values lie in the file as LibTorch has them.
  void (*dequantise)(const std::uint8_t* block, float* values);
};

/// Null when the type is not read.
const BlockFormat* find_block_format(std::uint32_t type);

/// Of a type that is read.
const BlockFormat& block_format(GgufTensorType type);

/// "f32, f16, …", for messages.
std::string block_format_names();

}  // namespace mathtrap

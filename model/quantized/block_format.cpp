// Each value is computed in f32 in the order in which ggml's reference does, and no product is fused with a sum (see
// CMakeLists.txt): a file has the same values on every machine.
#include "model/quantized/block_format.h"

#include <c10/util/Half.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <vector>

namespace mathtrap {
namespace {

constexpr std::ptrdiff_t kBlock = 32;
constexpr int kHalfBlock = kBlock / 2;
constexpr int kSuperBlock = 256;  // of the formats whose names end in K: blocks of 16 or 32 with scales of their own
constexpr std::ptrdiff_t kPart = 16;
constexpr int kParts = kSuperBlock / kPart;
constexpr std::ptrdiff_t kHalfBytes = 2;
constexpr int kFourBits = 0xF;

float read_half(const std::uint8_t* bytes) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, bytes, sizeof(bits));
  return c10::Half(bits, c10::Half::from_bits());
}

/// Scale, 16 bytes; low halves of the bytes are the first 16 integers.
void dequantise_q4_0(const std::uint8_t* block, float* values) {
  const float scale = read_half(block);
  const std::uint8_t* packed = block + kHalfBytes;
  for (int i = 0; i < kHalfBlock; ++i) {
    values[i] = scale * static_cast<float>((packed[i] & kFourBits) - 8);
    values[i + kHalfBlock] = scale * static_cast<float>((packed[i] >> 4) - 8);
  }
}

/// Scale, minimum, 16 bytes.
void dequantise_q4_1(const std::uint8_t* block, float* values) {
  const float scale = read_half(block);
  const float minimum = read_half(block + kHalfBytes);
  const std::uint8_t* packed = block + 2 * kHalfBytes;
  for (int i = 0; i < kHalfBlock; ++i) {
    values[i] = scale * static_cast<float>(packed[i] & kFourBits) + minimum;
    values[i + kHalfBlock] = scale * static_cast<float>(packed[i] >> 4) + minimum;
  }
}

/// 32 integers of five bits: the fifth bits together in front, then 16 bytes as in q4_0.
void unpack_five_bits(const std::uint8_t* bytes, int* integers) {
  std::uint32_t fifth = 0;
  std::memcpy(&fifth, bytes, sizeof(fifth));
  const std::uint8_t* packed = bytes + sizeof(fifth);
  for (int i = 0; i < kHalfBlock; ++i) {
    integers[i] = (packed[i] & kFourBits) | static_cast<int>((fifth >> i & 1) << 4);
    integers[i + kHalfBlock] = (packed[i] >> 4) | static_cast<int>((fifth >> (i + kHalfBlock) & 1) << 4);
  }
}

void dequantise_q5_0(const std::uint8_t* block, float* values) {
  const float scale = read_half(block);
  int integers[kBlock];
  unpack_five_bits(block + kHalfBytes, integers);
  for (int i = 0; i < kBlock; ++i) values[i] = scale * static_cast<float>(integers[i] - 16);
}

void dequantise_q5_1(const std::uint8_t* block, float* values) {
  const float scale = read_half(block);
  const float minimum = read_half(block + kHalfBytes);
  int integers[kBlock];
  unpack_five_bits(block + 2 * kHalfBytes, integers);
  for (int i = 0; i < kBlock; ++i) values[i] = scale * static_cast<float>(integers[i]) + minimum;
}

/// Scale, 32 signed bytes.
void dequantise_q8_0(const std::uint8_t* block, float* values) {
  const float scale = read_half(block);
  for (int i = 0; i < kBlock; ++i) {
    values[i] = scale * static_cast<float>(static_cast<std::int8_t>(block[kHalfBytes + i]));
  }
}

/// Integers that lie in some bits of bytes that follow each other.
struct PackedBits {
  const std::uint8_t* bytes;
  int shift;
  int mask;

  int operator[](int i) const { return bytes[i] >> shift & mask; }
};

/// Part `part` of 16 integers of two bits. Of each 128, 32 bytes hold the first 32 in their lowest bits, the next 32 in
/// the bits above, and so on.
PackedBits two_bits(const std::uint8_t* packed, int part) {
  return {packed + kBlock * (part / 8) + kPart * (part % 2), part % 8 / 2 * 2, 3};
}

/// 16 bytes of scale and minimum, four bits each, one of each part; 64 bytes of two bits; scales of both.
void dequantise_q2_k(const std::uint8_t* block, float* values) {
  const std::uint8_t* packed = block + 16;
  const float scale = read_half(packed + 64);
  const float minimum = read_half(packed + 64 + kHalfBytes);
  for (int part = 0; part < kParts; ++part, values += kPart) {
    const float own_scale = scale * static_cast<float>(block[part] & kFourBits);
    const float own_minimum = minimum * static_cast<float>(block[part] >> 4);
    const PackedBits integers = two_bits(packed, part);
    for (int i = 0; i < kPart; ++i) values[i] = own_scale * static_cast<float>(integers[i]) - own_minimum;
  }
}

/// 32 bytes of third bits, which mean four less where they are not set; 64 bytes of two bits; 12 bytes of 16 scales of
/// six bits; scale.
void dequantise_q3_k(const std::uint8_t* block, float* values) {
  const std::uint8_t* packed = block + 32;
  const std::uint8_t* scales = packed + 64;
  const float scale = read_half(scales + 12);
  for (int part = 0; part < kParts; ++part, values += kPart) {
    const int low = part < 8 ? scales[part] & kFourBits : scales[part - 8] >> 4;
    const int high = scales[8 + part % 4] >> (part / 4 * 2) & 3;
    const float own_scale = scale * static_cast<float>((low | high << 4) - 32);
    const PackedBits integers = two_bits(packed, part);
    const PackedBits third = {block + part % 2 * kPart, part / 2, 1};
    for (int i = 0; i < kPart; ++i) values[i] = own_scale * static_cast<float>(integers[i] + 4 * third[i] - 4);
  }
}

/// Scale and minimum of one of the eight blocks of 32, six bits each, as q4_K and q5_K pack them in 12 bytes.
struct ScaleAndMinimum {
  int scale = 0;
  int minimum = 0;
};

ScaleAndMinimum scale_and_minimum(const std::uint8_t* packed, int part) {
  constexpr int kSixBits = 0x3F;
  if (part < 4) return {packed[part] & kSixBits, packed[part + 4] & kSixBits};
  return {(packed[part + 4] & kFourBits) | packed[part - 4] >> 6 << 4, packed[part + 4] >> 4 | packed[part] >> 6 << 4};
}

/// Scales of scales and of minima, 12 bytes of these; fifth bits, null where there are none; 128 bytes, of which 32
/// hold 64 integers, the first 32 in their low halves.
void dequantise_with_minima(const std::uint8_t* block, const std::uint8_t* fifth, const std::uint8_t* packed,
                            float* values) {
  const float scale = read_half(block);
  const float minimum = read_half(block + kHalfBytes);
  for (int part = 0; part < kSuperBlock / kBlock; ++part) {
    const ScaleAndMinimum own = scale_and_minimum(block + 2 * kHalfBytes, part);
    const float own_scale = scale * static_cast<float>(own.scale);
    const float own_minimum = minimum * static_cast<float>(own.minimum);
    const PackedBits low = {packed + part / 2 * kBlock, part % 2 * 4, kFourBits};
    const PackedBits high = {fifth == nullptr ? packed : fifth, part, fifth == nullptr ? 0 : 1};
    for (int i = 0; i < kBlock; ++i) values[i] = own_scale * static_cast<float>(low[i] | high[i] << 4) - own_minimum;
    values += kBlock;
  }
}

void dequantise_q4_k(const std::uint8_t* block, float* values) {
  dequantise_with_minima(block, nullptr, block + 16, values);
}

void dequantise_q5_k(const std::uint8_t* block, float* values) {
  dequantise_with_minima(block, block + 16, block + 48, values);
}

/// 128 bytes of four bits, 64 bytes of two more, 16 signed scales, scale. Of each 128 integers, 64 bytes hold the first
/// 64 in their low halves.
void dequantise_q6_k(const std::uint8_t* block, float* values) {
  const std::uint8_t* upper = block + 128;
  const std::uint8_t* scales = upper + 64;
  const float scale = read_half(scales + 16);
  for (int part = 0; part < kParts; ++part, values += kPart) {
    const float own_scale = scale * static_cast<float>(static_cast<std::int8_t>(scales[part]));
    const PackedBits low = {block + 2 * kBlock * (part / 8) + kPart * (part % 4), part % 8 / 4 * 4, kFourBits};
    const PackedBits high = two_bits(upper, part);
    for (int i = 0; i < kPart; ++i) values[i] = own_scale * static_cast<float>((low[i] | high[i] << 4) - 32);
  }
}

constexpr std::array kFormats = {
    BlockFormat{GgufTensorType::f32, "f32", 1, 4, nullptr},
    BlockFormat{GgufTensorType::f16, "f16", 1, 2, nullptr},
    BlockFormat{GgufTensorType::bf16, "bf16", 1, 2, nullptr},
    BlockFormat{GgufTensorType::q4_0, "q4_0", kBlock, 2 + 16, dequantise_q4_0},
    BlockFormat{GgufTensorType::q4_1, "q4_1", kBlock, 2 + 2 + 16, dequantise_q4_1},
    BlockFormat{GgufTensorType::q5_0, "q5_0", kBlock, 2 + 4 + 16, dequantise_q5_0},
    BlockFormat{GgufTensorType::q5_1, "q5_1", kBlock, 2 + 2 + 4 + 16, dequantise_q5_1},
    BlockFormat{GgufTensorType::q8_0, "q8_0", kBlock, 2 + 32, dequantise_q8_0},
    BlockFormat{GgufTensorType::q2_k, "q2_K", kSuperBlock, 16 + 64 + 2 + 2, dequantise_q2_k},
    BlockFormat{GgufTensorType::q3_k, "q3_K", kSuperBlock, 32 + 64 + 12 + 2, dequantise_q3_k},
    BlockFormat{GgufTensorType::q4_k, "q4_K", kSuperBlock, 2 + 2 + 12 + 128, dequantise_q4_k},
    BlockFormat{GgufTensorType::q5_k, "q5_K", kSuperBlock, 2 + 2 + 12 + 32 + 128, dequantise_q5_k},
    BlockFormat{GgufTensorType::q6_k, "q6_K", kSuperBlock, 128 + 64 + 16 + 2, dequantise_q6_k},
};

}  // namespace

const BlockFormat* find_block_format(std::uint32_t type) {
  const auto* found = std::find_if(kFormats.begin(), kFormats.end(), [&](const BlockFormat& format) {
    return static_cast<std::uint32_t>(format.type) == type;
  });
  return found == kFormats.end() ? nullptr : found;
}

const BlockFormat& block_format(GgufTensorType type) {
  const BlockFormat* format = find_block_format(static_cast<std::uint32_t>(type));
  assert(format != nullptr);
  return *format;
}

std::string block_format_names() {
  std::vector<std::string> names;
  for (const BlockFormat& format : kFormats) names.emplace_back(format.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace mathtrap

// What both attention kernels are made of: products summed over rows that lie apart, and softmax of a row.
#if defined(MATHTRAP_MODEL_KERNELS_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MATHTRAP_MODEL_KERNELS_ATTENTION_INL_H_
#undef MATHTRAP_MODEL_KERNELS_ATTENTION_INL_H_
#else
#define MATHTRAP_MODEL_KERNELS_ATTENTION_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <limits>

#include "model/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mathtrap {
namespace HWY_NAMESPACE {

inline constexpr std::size_t kMixRows = 6;  // with two vectors a row: 12 accumulators, within 16 registers
inline constexpr std::size_t kMixVectors = 2;

/// c[row][i] = sum over k in [begin, end) of a[row * a_row + k * a_step] * b[k * b_stride + i], term by term in the
/// order of k. `c` is where the sums start from.
struct Mix {
  const float* a = nullptr;
  std::size_t a_row = 0;
  std::size_t a_step = 0;
  const float* b = nullptr;
  std::size_t b_stride = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
  float* c = nullptr;
  std::size_t c_stride = 0;
};

template <std::size_t kRows, std::size_t kVectors>
HWY_NOINLINE void mix_tile(const Mix& mix, std::size_t column) {
  const Floats d;
  FloatVector sums[kRows][kVectors];
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t i = 0; i < kVectors; ++i) {
      sums[row][i] = hn::LoadU(d, mix.c + row * mix.c_stride + column + i * kLanes);
    }
  }
  const float* a = mix.a + mix.begin * mix.a_step;
  const float* b = mix.b + mix.begin * mix.b_stride + column;
  for (std::size_t k = mix.begin; k < mix.end; ++k, a += mix.a_step, b += mix.b_stride) {
    FloatVector values[kVectors];
    for (std::size_t i = 0; i < kVectors; ++i) values[i] = hn::LoadU(d, b + i * kLanes);
    for (std::size_t row = 0; row < kRows; ++row) {
      const FloatVector weight = hn::Set(d, a[row * mix.a_row]);
      for (std::size_t i = 0; i < kVectors; ++i) sums[row][i] = hn::MulAdd(weight, values[i], sums[row][i]);
    }
  }
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t i = 0; i < kVectors; ++i) {
      hn::StoreU(sums[row][i], d, mix.c + row * mix.c_stride + column + i * kLanes);
    }
  }
}

/// `rows` <= kMixRows rows; `columns` is a multiple of kLanes.
template <std::size_t kRows = kMixRows>
HWY_INLINE void mix_rows(const Mix& mix, std::size_t rows, std::size_t columns) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return mix_rows<kRows - 1>(mix, rows, columns);
  }
  std::size_t column = 0;
  for (; column + kMixVectors * kLanes <= columns; column += kMixVectors * kLanes) {
    mix_tile<kRows, kMixVectors>(mix, column);
  }
  if (column < columns) mix_tile<kRows, 1>(mix, column);
}

HWY_INLINE float largest(const float* row, std::size_t count) {
  const Floats d;
  FloatVector most = hn::Set(d, -std::numeric_limits<float>::infinity());
  const std::size_t whole = count / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) most = hn::Max(most, load_floats(row + i));
  float result = hn::GetLane(hn::MaxOfLanes(d, most));
  for (std::size_t i = whole; i < count; ++i) result = std::max(result, row[i]);
  return result;
}

/// row[i] = exp(row[i] - shift), and 0 from `count` to the next multiple of 16. Gives their sum.
HWY_INLINE float exponentiate(float* row, std::size_t count, float shift) {
  const Floats d;
  FloatVector sums[kParts];
  for (FloatVector& part : sums) part = hn::Zero(d);
  for (std::size_t i = count; i % kPartialSums != 0; ++i) row[i] = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < count;) {
    for (std::size_t part = 0; part < kParts; ++part, i += kLanes) {
      const FloatVector value = hn::Exp(d, hn::Sub(load_floats(row + i), hn::Set(d, shift)));
      store_floats(value, row + i);
      sums[part] = hn::Add(sums[part], value);
    }
  }
  return sum_of_parts(sums);
}

}  // namespace HWY_NAMESPACE
}  // namespace mathtrap
HWY_AFTER_NAMESPACE();

#endif  // toggled guard

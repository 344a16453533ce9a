// The inner product tile: a few rows times four weight rows, both contiguous along the summed dimension.
#if defined(MATHTRAP_MODEL_KERNELS_PRODUCT_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MATHTRAP_MODEL_KERNELS_PRODUCT_TILE_INL_H_
#undef MATHTRAP_MODEL_KERNELS_PRODUCT_TILE_INL_H_
#else
#define MATHTRAP_MODEL_KERNELS_PRODUCT_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "model/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mathtrap {
namespace HWY_NAMESPACE {

/// Weight rows of a tile: one block, so that add_within_blocks gives all sums of a row at once.
inline constexpr std::size_t kTileColumns = kBlock;
/// Rows of a tile: accumulators, four weight vectors and one of the rows fill the registers (32 with AVX-512 and NEON).
inline constexpr std::size_t kTileRows = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM ? 6 : 2;

/// The last terms of a row, filled up with zeros: adding them changes no sum.
template <typename T>
HWY_INLINE void copy_tail(const T* from, std::size_t count, T (&to)[kPartialSums]) {
  for (std::size_t i = 0; i < count; ++i) to[i] = from[i];
  for (std::size_t i = count; i < kPartialSums; ++i) to[i] = T{};
}

/// One part (kLanes of every 16 terms) of kRows x 4 sums: within[row] holds, in each block, the sums of that block's
/// terms.
template <std::size_t kRows, typename Weight>
HWY_INLINE void add_part(const float* rows, std::size_t row_stride, const Weight* const (&weights)[kTileColumns],
                         std::size_t depth, std::size_t part, FloatVector (&within)[kRows][kParts]) {
  const Floats d;
  FloatVector sums[kRows][kTileColumns];
  for (auto& row : sums) {
    for (FloatVector& sum : row) sum = hn::Zero(d);
  }
  const std::size_t whole = depth / kPartialSums * kPartialSums;
  const std::size_t shift = part * kLanes;
  for (std::size_t k = shift; k < whole; k += kPartialSums) {
    FloatVector w[kTileColumns];
    for (std::size_t column = 0; column < kTileColumns; ++column) w[column] = load_floats(weights[column] + k);
    for (std::size_t row = 0; row < kRows; ++row) {
      const FloatVector x = load_floats(rows + row * row_stride + k);
      for (std::size_t column = 0; column < kTileColumns; ++column) {
        sums[row][column] = hn::MulAdd(x, w[column], sums[row][column]);
      }
    }
  }
  if (whole != depth) {
    FloatVector w[kTileColumns];
    for (std::size_t column = 0; column < kTileColumns; ++column) {
      Weight tail[kPartialSums];
      copy_tail(weights[column] + whole, depth - whole, tail);
      w[column] = load_floats(tail + shift);
    }
    for (std::size_t row = 0; row < kRows; ++row) {
      float tail[kPartialSums];
      copy_tail(rows + row * row_stride + whole, depth - whole, tail);
      const FloatVector x = load_floats(tail + shift);
      for (std::size_t column = 0; column < kTileColumns; ++column) {
        sums[row][column] = hn::MulAdd(x, w[column], sums[row][column]);
      }
    }
  }
  for (std::size_t row = 0; row < kRows; ++row) {
    within[row][part] = add_within_blocks(sums[row][0], sums[row][1], sums[row][2], sums[row][3]);
  }
}

/// result[row][column] = sum over k < depth of rows[row][k] * weights[column][k], for kRows rows and `columns` <= 4
/// columns. Every sum has the same order whatever tile it lies in.
template <std::size_t kRows, typename Weight>
HWY_NOINLINE void product_tile(const float* rows, std::size_t row_stride, const Weight* weights,
                               std::size_t weight_stride, std::size_t columns, std::size_t depth, float* result,
                               std::size_t result_stride) {
  // A missing column repeats the last one; its sum is thrown away.
  const Weight* column_weights[kTileColumns];
  for (std::size_t column = 0; column < kTileColumns; ++column) {
    column_weights[column] = weights + std::min(column, columns - 1) * weight_stride;
  }
  FloatVector within[kRows][kParts];
  for (std::size_t part = 0; part < kParts; ++part) {
    add_part<kRows>(rows, row_stride, column_weights, depth, part, within);
  }
  const hn::CappedTag<float, kBlock> block;
  for (std::size_t row = 0; row < kRows; ++row) {
    const auto sums = add_blocks(Floats(), add_parts(within[row]));
    if (columns == kTileColumns) {
      hn::StoreU(sums, block, result + row * result_stride);
      continue;
    }
    float padded[kBlock];
    hn::StoreU(sums, block, padded);
    for (std::size_t column = 0; column < columns; ++column) result[row * result_stride + column] = padded[column];
  }
}

/// product_tile for a number of rows known at run time, from 1 to kTileRows.
template <typename Weight, std::size_t kRows = kTileRows>
HWY_INLINE void product_tile_of(std::size_t count, const float* rows, std::size_t row_stride, const Weight* weights,
                                std::size_t weight_stride, std::size_t columns, std::size_t depth, float* result,
                                std::size_t result_stride) {
  if constexpr (kRows > 1) {
    if (count < kRows) {
      product_tile_of<Weight, kRows - 1>(count, rows, row_stride, weights, weight_stride, columns, depth, result,
                                         result_stride);
      return;
    }
  }
  product_tile<kRows>(rows, row_stride, weights, weight_stride, columns, depth, result, result_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace mathtrap
HWY_AFTER_NAMESPACE();

#endif  // toggled guard

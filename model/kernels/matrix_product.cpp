#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/matrix_product.cpp"
#include <hwy/foreach_target.h>
// foreach_target must come first.
#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "model/kernels/matrix_product.h"
#include "model/kernels/product_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mathtrap {
namespace HWY_NAMESPACE {

template <typename Weight>
void multiply(const MatrixProduct& product, const ProductBlock& block) {
  const auto* const w = static_cast<const Weight*>(product.w);
  for (std::int64_t row = block.row_begin; row < block.row_end; row += kTileRows) {
    const std::int64_t rows = std::min<std::int64_t>(kTileRows, block.row_end - row);
    for (std::int64_t column = block.column_begin; column < block.column_end; column += kTileColumns) {
      const std::int64_t columns = std::min<std::int64_t>(kTileColumns, block.column_end - column);
      product_tile_of<Weight>(static_cast<std::size_t>(rows), product.a + row * product.a_stride,
                              static_cast<std::size_t>(product.a_stride), w + column * product.w_stride,
                              static_cast<std::size_t>(product.w_stride), static_cast<std::size_t>(columns),
                              static_cast<std::size_t>(product.depth), product.c + row * product.c_stride + column,
                              static_cast<std::size_t>(product.c_stride));
    }
  }
}

void multiply_f32(const MatrixProduct& product, const ProductBlock& block) {
  multiply<float>(product, block);
}
void multiply_bf16(const MatrixProduct& product, const ProductBlock& block) {
  multiply<hwy::bfloat16_t>(product, block);
}
void multiply_f16(const MatrixProduct& product, const ProductBlock& block) {
  multiply<hwy::float16_t>(product, block);
}

}  // namespace HWY_NAMESPACE
}  // namespace mathtrap
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mathtrap {

HWY_EXPORT(multiply_f32);
HWY_EXPORT(multiply_bf16);
HWY_EXPORT(multiply_f16);

namespace {

constexpr std::int64_t kWeightBlockBytes = 256 << 10;  // stays in the second-level cache while the rows pass
constexpr std::int64_t kRowsPerBlock = 192;            // a multiple of every tile height
constexpr std::int64_t kBlocksPerThread = 4;           // so that a slow thread costs a part of its share only

std::int64_t divide_up(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}

}  // namespace

ProductPlan plan_product(const MatrixProduct& product, int threads) {
  ProductPlan plan;
  plan.rows_per_block = std::min(product.rows, kRowsPerBlock);
  plan.row_blocks = divide_up(product.rows, plan.rows_per_block);
  const std::int64_t bytes = product.depth * (product.type == Element::f32 ? 4 : 2);
  std::int64_t columns = std::max<std::int64_t>(kWeightBlockBytes / bytes, 1);
  const std::int64_t blocks_wanted = divide_up(threads * kBlocksPerThread, plan.row_blocks);
  columns = std::min(columns, divide_up(product.columns, blocks_wanted));
  constexpr std::int64_t kColumnStep = 16;  // whole tiles, and a cache line of results
  plan.columns_per_block = divide_up(columns, kColumnStep) * kColumnStep;
  plan.column_blocks = divide_up(product.columns, plan.columns_per_block);
  return plan;
}

void multiply_block(const MatrixProduct& product, const ProductPlan& plan, std::int64_t index) {
  ProductBlock block;
  block.row_begin = index % plan.row_blocks * plan.rows_per_block;
  block.row_end = std::min(product.rows, block.row_begin + plan.rows_per_block);
  block.column_begin = index / plan.row_blocks * plan.columns_per_block;
  block.column_end = std::min(product.columns, block.column_begin + plan.columns_per_block);
  switch (product.type) {
    case Element::f32:
      return HWY_DYNAMIC_DISPATCH(multiply_f32)(product, block);
    case Element::bf16:
      return HWY_DYNAMIC_DISPATCH(multiply_bf16)(product, block);
    case Element::f16:
      return HWY_DYNAMIC_DISPATCH(multiply_f16)(product, block);
  }
}

}  // namespace mathtrap
#endif  // HWY_ONCE

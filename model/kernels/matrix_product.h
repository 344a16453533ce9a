// Products of activations with weights, each sum in one fixed order: a result does not depend on how many rows there
// are, where in a tile a row lies, or which thread computes it.
#pragma once

#include <cstdint>

#include "model/kernels/element.h"

namespace mathtrap {

/// c [rows, columns] = a [rows, depth] times w [columns, depth] transposed, with f32 sums; narrower weights are widened
/// as they are loaded. Strides count elements; the last dimension is contiguous in all three.
struct MatrixProduct {
  const float* a = nullptr;
  std::int64_t a_stride = 0;
  const void* w = nullptr;
  Element type = Element::f32;
  std::int64_t w_stride = 0;
  float* c = nullptr;
  std::int64_t c_stride = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t depth = 0;
};

/// Half-open ranges of rows and columns of a product.
struct ProductBlock {
  std::int64_t row_begin = 0;
  std::int64_t row_end = 0;
  std::int64_t column_begin = 0;
  std::int64_t column_end = 0;
};

/// How a product is cut into blocks that threads compute: `block(index)` for index < count.
struct ProductPlan {
  std::int64_t row_blocks = 0;
  std::int64_t column_blocks = 0;
  std::int64_t rows_per_block = 0;
  std::int64_t columns_per_block = 0;

  std::int64_t count() const { return row_blocks * column_blocks; }
};

ProductPlan plan_product(const MatrixProduct& product, int threads);

/// Computes one block of a plan.
void multiply_block(const MatrixProduct& product, const ProductPlan& plan, std::int64_t index);

}  // namespace mathtrap

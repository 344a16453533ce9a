// Row by row work between the products: normalisation, activation, rotary embedding. Each call computes a range of
// rows, so that threads can share them; a row's result does not depend on the others.
#pragma once

#include <cstdint>

#include "model/kernels/element.h"

namespace mathtrap {

/// Half-open range of rows.
struct RowRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// sum = x + delta and y = sum / sqrt(mean(sum²) + epsilon) * weight. Rows are `width` elements wide, without gaps.
struct AddRmsNorm {
  const float* x = nullptr;
  const void* delta = nullptr;  ///< null: nothing is added and `sum` is not written
  const float* weight = nullptr;
  float* sum = nullptr;
  void* y = nullptr;
  Element type = Element::f32;  ///< of delta and y
  float* scale = nullptr;       ///< [rows] 1 / sqrt(…), for the backward pass; null: not wanted
  std::int64_t width = 0;
  double epsilon = 0;
};
void add_rms_norm_rows(const AddRmsNorm& work, RowRange rows);

/// Gradients of AddRmsNorm: `x_gradient` is `sum_gradient` plus what comes through y; `delta_gradient` gets the same,
/// rounded. `weight_gradient` [width] += over the range's rows.
struct AddRmsNormBackward {
  const float* sum = nullptr;
  const float* weight = nullptr;
  const float* scale = nullptr;
  const void* y_gradient = nullptr;
  const float* sum_gradient = nullptr;  ///< null: 0
  float* x_gradient = nullptr;
  void* delta_gradient = nullptr;  ///< null: not wanted
  Element type = Element::f32;     ///< of y_gradient and delta_gradient
  float* weight_gradient = nullptr;
  std::int64_t width = 0;
};
void add_rms_norm_backward_rows(const AddRmsNormBackward& work, RowRange rows);

/// result [rows, width] = silu(gate) * up of gate_up [rows, 2 * width], gate in front. One format for all.
struct SwiGlu {
  const void* gate_up = nullptr;
  void* result = nullptr;
  Element type = Element::f32;
  std::int64_t width = 0;
};
void swiglu_rows(const SwiGlu& work, RowRange rows);

struct SwiGluBackward {
  const void* gate_up = nullptr;
  const void* result_gradient = nullptr;
  void* gate_up_gradient = nullptr;
  Element type = Element::f32;
  std::int64_t width = 0;
};
void swiglu_backward_rows(const SwiGluBackward& work, RowRange rows);

/// Turns, in place, the first `heads` heads of every row: feature i with feature i + head_dim / 2.
struct RotaryRows {
  float* x = nullptr;
  std::int64_t row_stride = 0;
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t first_position = 0;  ///< of row 0; rows follow each other
  const float* cosine = nullptr;    ///< [positions, head_dim / 2]
  const float* sine = nullptr;
};
void rotary_rows(const RotaryRows& work, RowRange rows);

}  // namespace mathtrap

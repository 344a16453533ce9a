#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/elementwise.cpp"
#include <hwy/foreach_target.h>
// foreach_target must come first.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cmath>
#include <cstddef>

#include "model/kernels/elementwise.h"
#include "model/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mathtrap {
namespace HWY_NAMESPACE {

constexpr auto kStep = static_cast<std::ptrdiff_t>(kLanes);

template <typename T>
void add_rms_norm_row(const AddRmsNorm& work, std::int64_t row) {
  const Floats d;
  const std::ptrdiff_t width = work.width;
  const float* x = work.x + row * width;
  if (work.delta != nullptr) {
    const auto* delta = static_cast<const T*>(work.delta) + row * width;
    float* const sum = work.sum + row * width;
    for (std::ptrdiff_t i = 0; i < width; i += kStep) {
      store_up_to(hn::Add(load_up_to(x + i, width - i), load_up_to(delta + i, width - i)), width - i, sum + i);
    }
    x = sum;
  }
  FloatVector squares[kParts];
  for (FloatVector& part : squares) part = hn::Zero(d);
  for (std::ptrdiff_t i = 0; i < width;) {
    for (std::size_t part = 0; part < kParts; ++part, i += kStep) {
      const FloatVector value = load_up_to(x + i, width - i);
      squares[part] = hn::MulAdd(value, value, squares[part]);
    }
  }
  const double mean = static_cast<double>(sum_of_parts(squares)) / static_cast<double>(width);
  const auto scale = static_cast<float>(1 / std::sqrt(mean + work.epsilon));
  if (work.scale != nullptr) work.scale[row] = scale;
  auto* const y = static_cast<T*>(work.y) + row * width;
  for (std::ptrdiff_t i = 0; i < width; i += kStep) {
    const FloatVector scaled = hn::Mul(load_up_to(x + i, width - i), hn::Set(d, scale));
    store_up_to(hn::Mul(scaled, load_up_to(work.weight + i, width - i)), width - i, y + i);
  }
}

void add_rms_norm(const AddRmsNorm& work, const RowRange& rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    if (work.type == Element::bf16) add_rms_norm_row<hwy::bfloat16_t>(work, row);
    if (work.type == Element::f32) add_rms_norm_row<float>(work, row);
  }
}

/// With x the sum, r its scale and g = weight * dy: dx = r * g - x * r³ * mean(g * x); dweight = dy * x * r.
template <typename T>
void add_rms_norm_backward_row(const AddRmsNormBackward& work, std::int64_t row) {
  const Floats d;
  const std::ptrdiff_t width = work.width;
  const float* const x = work.sum + row * width;
  const auto* const dy = static_cast<const T*>(work.y_gradient) + row * width;
  FloatVector products[kParts];
  for (FloatVector& part : products) part = hn::Zero(d);
  const FloatVector scale = hn::Set(d, work.scale[row]);
  for (std::ptrdiff_t i = 0; i < width;) {
    for (std::size_t part = 0; part < kParts; ++part, i += kStep) {
      const FloatVector weighted = hn::Mul(load_up_to(dy + i, width - i), load_up_to(x + i, width - i));
      products[part] = hn::MulAdd(weighted, load_up_to(work.weight + i, width - i), products[part]);
      if (i >= width) continue;
      float* const dweight = work.weight_gradient + i;
      store_up_to(hn::MulAdd(weighted, scale, load_up_to(dweight, width - i)), width - i, dweight);
    }
  }
  const float mean = sum_of_parts(products) / static_cast<float>(width);
  const FloatVector pull = hn::Set(d, mean * work.scale[row] * work.scale[row] * work.scale[row]);
  const float* const dsum = work.sum_gradient == nullptr ? nullptr : work.sum_gradient + row * width;
  float* const dx = work.x_gradient + row * width;
  auto* const ddelta = work.delta_gradient == nullptr ? nullptr : static_cast<T*>(work.delta_gradient) + row * width;
  for (std::ptrdiff_t i = 0; i < width; i += kStep) {
    const FloatVector g = hn::Mul(load_up_to(dy + i, width - i), load_up_to(work.weight + i, width - i));
    const FloatVector direct =
        dsum == nullptr ? hn::Mul(g, scale) : hn::MulAdd(g, scale, load_up_to(dsum + i, width - i));
    const FloatVector total = hn::NegMulAdd(load_up_to(x + i, width - i), pull, direct);
    store_up_to(total, width - i, dx + i);
    if (ddelta != nullptr) store_up_to(total, width - i, ddelta + i);
  }
}

void add_rms_norm_backward(const AddRmsNormBackward& work, const RowRange& rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    if (work.type == Element::bf16) add_rms_norm_backward_row<hwy::bfloat16_t>(work, row);
    if (work.type == Element::f32) add_rms_norm_backward_row<float>(work, row);
  }
}

HWY_INLINE FloatVector sigmoid(FloatVector x) {
  const Floats d;
  const FloatVector one = hn::Set(d, 1.0F);
  return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(x))));
}

template <typename T>
void swiglu_row(const SwiGlu& work, std::int64_t row) {
  const std::ptrdiff_t width = work.width;
  const auto* const gate = static_cast<const T*>(work.gate_up) + row * 2 * width;
  const T* const up = gate + width;
  auto* const result = static_cast<T*>(work.result) + row * width;
  for (std::ptrdiff_t i = 0; i < width; i += kStep) {
    const FloatVector g = load_up_to(gate + i, width - i);
    store_up_to(hn::Mul(hn::Mul(g, sigmoid(g)), load_up_to(up + i, width - i)), width - i, result + i);
  }
}

void swiglu(const SwiGlu& work, const RowRange& rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    if (work.type == Element::bf16) swiglu_row<hwy::bfloat16_t>(work, row);
    if (work.type == Element::f32) swiglu_row<float>(work, row);
  }
}

/// With s = sigmoid(gate): dgate = d * up * s * (1 + gate * (1 - s)); dup = d * gate * s.
template <typename T>
void swiglu_backward_row(const SwiGluBackward& work, std::int64_t row) {
  const FloatVector one = hn::Set(Floats(), 1.0F);
  const std::ptrdiff_t width = work.width;
  const auto* const gate = static_cast<const T*>(work.gate_up) + row * 2 * width;
  const auto* const gradient = static_cast<const T*>(work.result_gradient) + row * width;
  auto* const dgate = static_cast<T*>(work.gate_up_gradient) + row * 2 * width;
  for (std::ptrdiff_t i = 0; i < width; i += kStep) {
    const FloatVector g = load_up_to(gate + i, width - i);
    const FloatVector s = sigmoid(g);
    const FloatVector ds = hn::Mul(load_up_to(gradient + i, width - i), s);
    const FloatVector slope = hn::MulAdd(g, hn::Sub(one, s), one);
    store_up_to(hn::Mul(hn::Mul(ds, load_up_to(gate + width + i, width - i)), slope), width - i, dgate + i);
    store_up_to(hn::Mul(ds, g), width - i, dgate + width + i);
  }
}

void swiglu_backward(const SwiGluBackward& work, const RowRange& rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    if (work.type == Element::bf16) swiglu_backward_row<hwy::bfloat16_t>(work, row);
    if (work.type == Element::f32) swiglu_backward_row<float>(work, row);
  }
}

void rotate(const RotaryRows& work, const RowRange& rows) {
  const std::ptrdiff_t half = work.head_dim / 2;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const float* const cosine = work.cosine + (work.first_position + row) * half;
    const float* const sine = work.sine + (work.first_position + row) * half;
    for (std::int64_t head = 0; head < work.heads; ++head) {
      float* const x = work.x + row * work.row_stride + head * work.head_dim;
      for (std::ptrdiff_t i = 0; i < half; i += kStep) {
        const std::ptrdiff_t left = half - i;
        const FloatVector first = load_up_to(x + i, left);
        const FloatVector second = load_up_to(x + half + i, left);
        const FloatVector c = load_up_to(cosine + i, left);
        const FloatVector s = load_up_to(sine + i, left);
        store_up_to(hn::NegMulAdd(second, s, hn::Mul(first, c)), left, x + i);
        store_up_to(hn::MulAdd(first, s, hn::Mul(second, c)), left, x + half + i);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace mathtrap
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mathtrap {

HWY_EXPORT(add_rms_norm);
HWY_EXPORT(add_rms_norm_backward);
HWY_EXPORT(swiglu);
HWY_EXPORT(swiglu_backward);
HWY_EXPORT(rotate);

void add_rms_norm_rows(const AddRmsNorm& work, RowRange rows) {
  HWY_DYNAMIC_DISPATCH(add_rms_norm)(work, rows);
}
void add_rms_norm_backward_rows(const AddRmsNormBackward& work, RowRange rows) {
  HWY_DYNAMIC_DISPATCH(add_rms_norm_backward)(work, rows);
}
void swiglu_rows(const SwiGlu& work, RowRange rows) {
  HWY_DYNAMIC_DISPATCH(swiglu)(work, rows);
}
void swiglu_backward_rows(const SwiGluBackward& work, RowRange rows) {
  HWY_DYNAMIC_DISPATCH(swiglu_backward)(work, rows);
}
void rotary_rows(const RotaryRows& work, RowRange rows) {
  HWY_DYNAMIC_DISPATCH(rotate)(work, rows);
}

}  // namespace mathtrap
#endif  // HWY_ONCE

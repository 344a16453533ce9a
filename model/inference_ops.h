// The ops of model/ops.h on the CPU without gradients, by kernels whose sums have one fixed order: a token's result
// depends on its own sequence up to itself, not on what else is in the batch, on its place there, or on the number of
// threads.
#pragma once

#include "model/ops.h"

namespace mathtrap::inference {

/// x f32; weights f32, bf16 or f16.
at::Tensor linear(const at::Tensor& x, at::TensorList weights);
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);
ResidualNorm add_rms_norm(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& weight, double epsilon);
at::Tensor swiglu(const at::Tensor& gate_up);
at::Tensor cached_attention(const at::Tensor& query_key_value, const AttentionShape& shape, const RotaryTable& table,
                            std::span<const CachedSequence> sequences);

}  // namespace mathtrap::inference

// The ops of model/ops.h made of ATen calls: for every device and number format, differentiable by ATen.
#pragma once

#include "model/ops.h"

namespace mathtrap::portable {

at::Tensor linear(const at::Tensor& x, at::TensorList weights, Arithmetic arithmetic);
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);
at::Tensor swiglu(const at::Tensor& gate_up);
/// x [tokens, heads, head_dim], the token in row i at positions[i].
at::Tensor rotary(const at::Tensor& x, const RotaryTable& table, const at::Tensor& positions);
at::Tensor causal_attention(const at::Tensor& query_key_value, const AttentionShape& shape, const RotaryTable& table,
                            const std::vector<std::int64_t>& starts);
at::Tensor cached_attention(const at::Tensor& query_key_value, const AttentionShape& shape, const RotaryTable& table,
                            std::span<const CachedSequence> sequences);
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace mathtrap::portable

// The ops of model/ops.h on the CPU with gradients: kernels with a backward pass of their own. The tests check each
// against ATen's gradients of model/portable_ops.h. Results do not depend on the number of threads, but for the
// products, which ATen computes.
#pragma once

#include "model/ops.h"

namespace mathtrap::training {

at::Tensor linear(const at::Tensor& x, at::TensorList weights, Arithmetic arithmetic);
at::Tensor output_logits(const at::Tensor& x, const at::Tensor& weight, Arithmetic arithmetic);
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon, Arithmetic arithmetic);
ResidualNorm add_rms_norm(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& weight, double epsilon,
                          Arithmetic arithmetic);
at::Tensor swiglu(const at::Tensor& gate_up);
at::Tensor causal_attention(const at::Tensor& query_key_value, const AttentionShape& shape, const RotaryTable& table,
                            const std::vector<std::int64_t>& starts);
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace mathtrap::training

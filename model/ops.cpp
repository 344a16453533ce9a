#include "model/ops.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include "model/inference_ops.h"
#include "model/portable_ops.h"
#include "model/training_ops.h"

namespace mathtrap {
namespace {

bool has_kernels(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

bool has_bf16_products() {
#if defined(__x86_64__)
  // Without the instructions LibTorch computes bf16 products in plain loops, a hundred times slower than f32.
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

}  // namespace

Arithmetic training_arithmetic(bool wanted, const at::Device& device) {
  return wanted && (!device.is_cpu() || has_bf16_products()) ? Arithmetic::bf16 : Arithmetic::as_stored;
}

at::Tensor linear(const at::Tensor& x, at::TensorList weights, Arithmetic arithmetic) {
  if (!has_kernels(x)) return portable::linear(x, weights, arithmetic);
  if (at::GradMode::is_enabled()) return training::linear(x.contiguous(), weights, arithmetic);
  return inference::linear(x.contiguous(), weights);
}

at::Tensor add_bias(const at::Tensor& x, at::TensorList biases) {
  if (!biases[0].defined()) return x;
  const at::Tensor bias = biases.size() == 1 ? biases[0] : at::cat(biases);
  return x + bias.to(x.scalar_type());
}

at::Tensor output_logits(const at::Tensor& x, const at::Tensor& weight, Arithmetic arithmetic) {
  if (!has_kernels(x)) return portable::linear(x, weight, arithmetic);
  if (at::GradMode::is_enabled()) return training::output_logits(x.contiguous(), weight, arithmetic);
  return inference::linear(x.contiguous(), weight);
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon, Arithmetic arithmetic) {
  if (!has_kernels(x)) return portable::rms_norm(x, weight, epsilon);
  if (at::GradMode::is_enabled()) return training::rms_norm(x.contiguous(), weight, epsilon, arithmetic);
  return inference::rms_norm(x.contiguous(), weight, epsilon);
}

ResidualNorm add_rms_norm(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& weight, double epsilon,
                          Arithmetic arithmetic) {
  if (!has_kernels(x)) {
    const at::Tensor sum = x + delta;
    return {sum, portable::rms_norm(sum, weight, epsilon)};
  }
  if (at::GradMode::is_enabled()) return training::add_rms_norm(x.contiguous(), delta, weight, epsilon, arithmetic);
  return inference::add_rms_norm(x.contiguous(), delta.contiguous(), weight, epsilon);
}

at::Tensor swiglu(const at::Tensor& gate_up) {
  if (!has_kernels(gate_up)) return portable::swiglu(gate_up);
  if (at::GradMode::is_enabled()) return training::swiglu(gate_up.contiguous());
  return inference::swiglu(gate_up.contiguous());
}

at::Tensor causal_attention(const at::Tensor& query_key_value, const AttentionShape& shape, const RotaryTable& table,
                            const std::vector<std::int64_t>& starts) {
  if (!has_kernels(query_key_value)) return portable::causal_attention(query_key_value, shape, table, starts);
  return training::causal_attention(query_key_value.contiguous(), shape, table, starts);
}

at::Tensor cached_attention(const at::Tensor& query_key_value, const AttentionShape& shape, const RotaryTable& table,
                            std::span<const CachedSequence> sequences) {
  if (!has_kernels(query_key_value)) return portable::cached_attention(query_key_value, shape, table, sequences);
  return inference::cached_attention(query_key_value.contiguous(), shape, table, sequences);
}

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
  if (!has_kernels(logits)) return portable::cross_entropy(logits, targets);
  return training::cross_entropy(logits.contiguous(), targets);
}

}  // namespace mathtrap

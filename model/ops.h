// Operations that layers are made of. Tokens of all sequences lie flat: [tokens, features].
//
// With gradients enabled an op is differentiable. On the CPU it takes a fused kernel: with gradients one with its
// backward pass (model/training_ops.h), without gradients one whose result for a token depends on that token's own
// sequence alone, to the bit (model/inference_ops.h). Elsewhere it is made of ATen calls (model/portable_ops.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/rotary.h"

namespace mathtrap {

/// How products are computed while gradients are enabled: on weights as they are, or rounded to bfloat16. Without
/// gradients weights are always taken as they are, with f32 sums.
enum class Arithmetic { as_stored, bf16 };

/// bf16 where `wanted` and the machine has arithmetic for it.
Arithmetic training_arithmetic(bool wanted, const at::Device& device);

/// x [tokens, in] times each weight [out, in] transposed, side by side: [tokens, sum of out].
at::Tensor linear(const at::Tensor& x, at::TensorList weights, Arithmetic arithmetic);

/// x [tokens, sum of widths] plus biases [width] side by side, in x's format. Biases that are undefined, all of them or
/// none, add nothing.
at::Tensor add_bias(const at::Tensor& x, at::TensorList biases);

/// Logits: x [tokens, hidden] f32 times weight [vocab, hidden] transposed, f32. With gradients and bf16 arithmetic only
/// the backward pass rounds.
at::Tensor output_logits(const at::Tensor& x, const at::Tensor& weight, Arithmetic arithmetic);

/// Root mean square normalisation (Zhang, Sennrich 2019): x / sqrt(mean(x²) + epsilon) * weight. x [tokens, hidden]
/// f32; the result is what `linear` takes best: bf16 in bf16 arithmetic with gradients, else f32.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon, Arithmetic arithmetic);

/// The residual stream after a block, and what the next block reads.
struct ResidualNorm {
  at::Tensor sum;   ///< x + delta, f32
  at::Tensor norm;  ///< rms_norm(sum)
};
ResidualNorm add_rms_norm(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& weight, double epsilon,
                          Arithmetic arithmetic);

/// silu(gate) * up (Shazeer 2020, SwiGLU) of gate_up [tokens, 2 * width], gate in front: [tokens, width].
at::Tensor swiglu(const at::Tensor& gate_up);

struct AttentionShape {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t window = 0;  ///< positions that a token sees, itself included (Beltagy et al. 2020); 0: all before it
};

/// Causal attention within whole sequences, and within the window of `shape`, rotary embedding included; positions
/// count from 0 in each sequence, `starts` as in SequenceLayout. query_key_value [tokens, (heads + 2 * kv_heads) *
/// head_dim]; query head h reads key head h / (heads / kv_heads); rotary turns feature i together with feature i +
/// head_dim / 2 (Hugging Face's layout). Gives [tokens, heads * head_dim].
at::Tensor causal_attention(const at::Tensor& query_key_value, const AttentionShape& shape, const RotaryTable& table,
                            const std::vector<std::int64_t>& starts);

/// One sequence's new tokens in a flat batch, with its keys and values of one layer.
struct CachedSequence {
  std::int64_t first_token = 0;  ///< in the flat batch
  std::int64_t tokens = 0;
  std::int64_t first_position = 0;  ///< of the first new token, which is how many are cached before
  at::Tensor keys;                  ///< [kv_heads, capacity, row width] f32, written for the new tokens
  at::Tensor values;
};

/// Attention of new tokens over all of their sequence so far, or its last positions where `shape` has a window, rotary
/// embedding included; no gradients. query_key_value as above; it is overwritten. Gives [tokens, heads * head_dim].
at::Tensor cached_attention(const at::Tensor& query_key_value, const AttentionShape& shape, const RotaryTable& table,
                            std::span<const CachedSequence> sequences);

/// Mean over the tokens with target >= 0 of -log softmax(logits)[target]. logits [tokens, vocab] f32, targets [tokens]
/// int64. Differentiable in logits. No such token: 0.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace mathtrap

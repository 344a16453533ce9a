// Operations that layers are made of. Tokens of all sequences lie flat: [tokens, features].
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/config.h"

namespace mathtrap {

/// How products are computed: on weights as they are, or rounded to bfloat16.
enum class Arithmetic { as_stored, bf16 };

/// x [tokens, in] times weight [out, in] transposed: [tokens, out], of x's dtype.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, Arithmetic arithmetic);

/// Root mean square normalisation (Zhang, Sennrich 2019): x / sqrt(mean(x²) + epsilon) * weight, over the last
/// dimension. x [tokens, hidden].
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);

/// silu(gate) * up, element by element (Shazeer 2020, SwiGLU).
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

/// Frequencies of rotary position embedding (Su et al. 2021, section 3.4.2), one per pair of features, with the scaling
/// of `config` applied: [head_dim / 2].
std::vector<double> rotary_frequencies(const ModelConfig& config);

/// Cosine and sine of position times frequency, each f32 [tokens, head_dim / 2].
struct RotaryTable {
  at::Tensor cosine;
  at::Tensor sine;
};

/// The table of tokens at `positions`.
RotaryTable rotary_table(const ModelConfig& config, const std::vector<std::int64_t>& positions,
                         const at::Device& device);

/// Turns feature i together with feature i + head_dim / 2 (Hugging Face's layout). x [tokens, heads, head_dim].
at::Tensor rotary(const at::Tensor& x, const RotaryTable& table);

/// Causal attention within each sequence; `starts` as in SequenceLayout. query [tokens, heads, head_dim], key and value
/// [tokens, kv_heads, head_dim]; query head h reads key head h / (heads / kv_heads). Gives [tokens, heads * head_dim].
at::Tensor causal_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            const std::vector<std::int64_t>& starts);

}  // namespace mathtrap

// Causal attention within whole sequences, forward and backward, rotary embedding included. Sequences of training are
// short: scores of a few rows at a time stay in the cache, and the backward pass computes them anew.
#pragma once

#include <cstdint>

#include "model/kernels/element.h"

namespace mathtrap {

/// All sequences of a flat batch. query_key_value is [tokens, (heads + 2 * kv_heads) * head_dim], queries in front,
/// then keys, then values; query head h reads key head h / (heads / kv_heads).
struct TrainingAttention {
  const void* query_key_value = nullptr;
  Element type = Element::f32;  ///< of all but the tables and log_sums
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t window = 0;        ///< positions that a token sees, itself included; 0: all before it
  const float* cosine = nullptr;  ///< [positions, head_dim / 2]
  const float* sine = nullptr;
  void* result = nullptr;     ///< [tokens, heads * head_dim]
  float* log_sums = nullptr;  ///< [tokens, heads]: logarithm of each softmax's denominator, for the backward pass

  // The backward pass alone.
  const void* result_gradient = nullptr;     ///< as result
  void* query_key_value_gradient = nullptr;  ///< as query_key_value
};

/// One sequence, the tokens [begin, end), and the query heads that read `kv_head`.
void training_attention(const TrainingAttention& work, std::int64_t begin, std::int64_t end, std::int64_t kv_head);
void training_attention_backward(const TrainingAttention& work, std::int64_t begin, std::int64_t end,
                                 std::int64_t kv_head);

}  // namespace mathtrap

// Attention of new tokens over the keys and values of their sequence. The result of a query depends on its own sequence
// up to itself, and on nothing else: not on how many tokens are computed together, nor on the thread.
#pragma once

#include <cstdint>

namespace mathtrap {

/// Elements between two rows of cached keys or values: head_dim filled up with zeros to whole vectors.
std::int64_t cached_row_width(std::int64_t head_dim);

/// Attention of one sequence's new tokens in one layer. Keys and values, those of the new tokens included, are
/// [kv_heads, capacity, cached_row_width].
struct CachedAttention {
  const float* query = nullptr;     ///< [tokens, heads, head_dim], turned by rotary embedding
  std::int64_t query_stride = 0;    ///< elements between two tokens
  float* result = nullptr;          ///< [tokens, heads, head_dim], without gaps
  std::int64_t first_position = 0;  ///< of the first new token; token i sees positions up to first_position + i
  std::int64_t window = 0;          ///< of them only the last `window`; 0: all
  const float* keys = nullptr;
  const float* values = nullptr;
  std::int64_t capacity = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
};

/// Computes the tokens [token_begin, token_end) for the query heads that read `kv_head`.
void attend_cached(const CachedAttention& work, std::int64_t kv_head, std::int64_t token_begin, std::int64_t token_end);

}  // namespace mathtrap

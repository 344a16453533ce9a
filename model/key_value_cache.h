// Keys and values of one sequence, for all layers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/config.h"

namespace mathtrap {

struct KeyValueCache {
  at::Tensor keys;          ///< [layers, kv_heads, capacity, row width] f32; a row is head_dim filled up with zeros
  at::Tensor values;        ///< the same
  std::int64_t length = 0;  ///< tokens written

  std::int64_t capacity() const { return keys.size(2); }
};

/// Bytes of one token in all layers.
std::int64_t key_value_bytes_per_token(const ModelConfig& config);

/// Room for `capacity` tokens. Memory is taken from the system as it is written.
KeyValueCache make_key_value_cache(const ModelConfig& config, std::int64_t capacity, const at::Device& device);

/// Copies the first `tokens` of another sequence, which must have so many, into an empty cache.
void copy_prefix(const KeyValueCache& from, std::int64_t tokens, KeyValueCache& to);

}  // namespace mathtrap

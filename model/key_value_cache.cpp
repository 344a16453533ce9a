#include "model/key_value_cache.h"

#include <ATen/ops/empty.h>

#include "model/kernels/cached_attention.h"

namespace mathtrap {

std::int64_t key_value_bytes_per_token(const ModelConfig& config) {
  constexpr std::int64_t kTensors = 2;
  return kTensors * config.num_hidden_layers * config.num_key_value_heads * cached_row_width(config.head_dim) *
         static_cast<std::int64_t>(sizeof(float));
}

KeyValueCache make_key_value_cache(const ModelConfig& config, std::int64_t capacity, const at::Device& device) {
  const std::int64_t sizes[] = {config.num_hidden_layers, config.num_key_value_heads, capacity,
                                cached_row_width(config.head_dim)};
  const at::TensorOptions options = at::TensorOptions(at::kFloat).device(device);
  return {at::empty(sizes, options), at::empty(sizes, options), 0};
}

void copy_prefix(const KeyValueCache& from, std::int64_t tokens, KeyValueCache& to) {
  to.keys.narrow(2, 0, tokens).copy_(from.keys.narrow(2, 0, tokens));
  to.values.narrow(2, 0, tokens).copy_(from.values.narrow(2, 0, tokens));
  to.length = tokens;
}

}  // namespace mathtrap

#include "model/scheduler/forward.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace mathtrap {
namespace {

at::Tensor to_tensor(std::span<const std::int64_t> values, const at::Device& device) {
  const at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.data_ptr<std::int64_t>());
  return tensor.to(device);
}

}  // namespace

at::Tensor forward_new_tokens(const Network& network, const RotaryTable& table, std::span<const NewTokens> batch,
                              std::span<const std::int64_t> rows) {
  const at::Device device = network.embedding.device();
  std::vector<std::int64_t> tokens;
  std::vector<CachedSequence> sequences;
  for (const NewTokens& item : batch) {
    CachedSequence sequence;
    sequence.first_token = static_cast<std::int64_t>(tokens.size());
    sequence.tokens = static_cast<std::int64_t>(item.tokens.size());
    sequence.first_position = item.cache->length;
    sequences.push_back(sequence);
    tokens.insert(tokens.end(), item.tokens.begin(), item.tokens.end());
  }
  const auto attention = [&](std::size_t layer, const at::Tensor& query_key_value) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      sequences[i].keys = batch[i].cache->keys.select(0, static_cast<std::int64_t>(layer));
      sequences[i].values = batch[i].cache->values.select(0, static_cast<std::int64_t>(layer));
    }
    return cached_attention(query_key_value, attention_shape(network.config, layer), table, sequences);
  };
  const at::Tensor hidden = run_layers(network, to_tensor(tokens, device), LayerOptions(), attention);
  for (const NewTokens& item : batch) item.cache->length += static_cast<std::int64_t>(item.tokens.size());
  const at::Tensor wanted = hidden.index_select(0, to_tensor(rows, device));
  return output_logits(wanted, network.head, Arithmetic::as_stored).to(at::kCPU, at::kFloat).contiguous();
}

}  // namespace mathtrap

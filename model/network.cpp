#include "model/network.h"

#include <ATen/Context.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "model/ops.h"
#include "model/recompute.h"
#include "support/error.h"
#include "support/random.h"

namespace mathtrap {
namespace {

constexpr double kWeightDeviation = 0.02;  // LLaMA's initializer_range

/// A weight of a layer: the name behind "model.layers.N.", and where it lives.
struct LayerField {
  const char* name;
  at::Tensor LayerWeights::*tensor;
};

constexpr LayerField kLayerFields[] = {
    {"input_layernorm.weight", &LayerWeights::attention_norm},
    {"self_attn.q_proj.weight", &LayerWeights::query},
    {"self_attn.k_proj.weight", &LayerWeights::key},
    {"self_attn.v_proj.weight", &LayerWeights::value},
    {"self_attn.o_proj.weight", &LayerWeights::output},
    {"post_attention_layernorm.weight", &LayerWeights::mlp_norm},
    {"mlp.gate_proj.weight", &LayerWeights::gate},
    {"mlp.up_proj.weight", &LayerWeights::up},
    {"mlp.down_proj.weight", &LayerWeights::down},
};

constexpr LayerField kQueryKeyValueBiases[] = {
    {"self_attn.q_proj.bias", &LayerWeights::query_bias},
    {"self_attn.k_proj.bias", &LayerWeights::key_bias},
    {"self_attn.v_proj.bias", &LayerWeights::value_bias},
};

constexpr LayerField kOutputBias = {"self_attn.o_proj.bias", &LayerWeights::output_bias};

/// The weights that a layer of the configuration has.
std::vector<LayerField> layer_fields(const ModelConfig& config) {
  std::vector<LayerField> fields(std::begin(kLayerFields), std::end(kLayerFields));
  if (config.query_key_value_bias) {
    fields.insert(fields.end(), std::begin(kQueryKeyValueBiases), std::end(kQueryKeyValueBiases));
  }
  if (config.attention_output_bias) fields.push_back(kOutputBias);
  return fields;
}

std::string layer_weight_name(std::size_t layer, const char* field) {
  return fmt::format("model.layers.{}.{}", layer, field);
}

at::Device parse_device(const std::string& name) {
  try {
    const at::Device device(name);
    if (device.is_cpu() || (device.is_cuda() && at::globalContext().hasCUDA())) return device;
  } catch (const c10::Error&) {
    throw Error(fmt::format("device '{}' is not one; use cpu or cuda:N", name));
  }
  throw Error(fmt::format("device '{}' is not available in this build or on this machine; use cpu", name));
}

at::Tensor place(const Checkpoint& checkpoint, const std::string& name, const at::Device& device) {
  const auto found = checkpoint.tensors.find(name);
  if (found == checkpoint.tensors.end()) fail({checkpoint.source, 0, ""}, fmt::format("tensor {} is missing", name));
  return found->second.to(device);
}

at::Tensor draw(const std::string& name, std::int64_t rows, std::int64_t columns, double deviation,
                std::uint64_t seed) {
  at::Tensor tensor = at::empty({rows, columns}, at::kFloat);
  Random random(seed, name);
  auto* values = tensor.data_ptr<float>();
  for (std::int64_t i = 0; i < rows * columns; ++i) values[i] = static_cast<float>(random.normal() * deviation);
  return tensor;
}

/// Products of one layer: its weights times what they read, with the updates of an adapter where there is one.
class Products {
 public:
  using Weights = std::vector<std::pair<Projection, at::Tensor>>;

  Products(const Network& network, std::size_t layer, Arithmetic arithmetic)
      : updates_(network.updates.empty() ? nullptr : &network.updates[layer]),
        seed_(mix64(network.dropout_seed + layer)),
        arithmetic_(arithmetic) {}

  /// x [tokens, in] to [tokens, sum of out], side by side.
  at::Tensor operator()(const Weights& weights, const at::Tensor& x) const {
    std::vector<at::Tensor> tensors;
    std::vector<std::pair<Projection, std::int64_t>> widths;
    for (const auto& [projection, weight] : weights) {
      tensors.push_back(weight);
      widths.emplace_back(projection, weight.size(0));
    }
    const at::Tensor y = linear(x, tensors, arithmetic_);
    return updates_ == nullptr ? y : add_low_rank(y, x, *updates_, widths, seed_, arithmetic_);
  }

 private:
  const LayerUpdates* updates_;
  std::uint64_t seed_;
  Arithmetic arithmetic_;
};

LayerState run_layer(const Network& network, std::size_t index, const LayerState& state, Arithmetic arithmetic,
                     const Attention& attention) {
  const LayerWeights& layer = network.layers[index];
  const double epsilon = network.config.rms_norm_eps;
  const auto& [x, norm] = state;
  const Products products(network, index, arithmetic);
  const at::Tensor query_key_value = add_bias(
      products({{Projection::query, layer.query}, {Projection::key, layer.key}, {Projection::value, layer.value}},
               norm),
      {layer.query_bias, layer.key_bias, layer.value_bias});
  const at::Tensor mixed = attention(index, query_key_value);
  const at::Tensor attended = add_bias(products({{Projection::output, layer.output}}, mixed), layer.output_bias);
  const ResidualNorm residual = add_rms_norm(x, attended, layer.mlp_norm, epsilon, arithmetic);
  const at::Tensor gated =
      swiglu(products({{Projection::gate, layer.gate}, {Projection::up, layer.up}}, residual.norm));
  const at::Tensor delta = products({{Projection::down, layer.down}}, gated);
  const bool last = index + 1 == network.layers.size();
  const at::Tensor& next_norm = last ? network.final_norm : network.layers[index + 1].attention_norm;
  const ResidualNorm next =
      add_rms_norm(residual.sum, delta, next_norm, epsilon, last ? Arithmetic::as_stored : arithmetic);
  return {next.sum, next.norm};
}

/// Any tensor of the layer that is learned, where there is one.
at::Tensor learned_weight(const Network& network, std::size_t layer) {
  if (network.updates.empty()) return network.layers[layer].down;
  for (const LowRankUpdate& update : network.updates[layer]) {
    if (update.defined()) return update.b;
  }
  return network.layers[layer].down;
}

}  // namespace

Network make_network(const Checkpoint& checkpoint, const std::string& device_name) {
  const at::Device device = parse_device(device_name);
  Network network;
  network.config = checkpoint.config;
  network.embedding = place(checkpoint, "model.embed_tokens.weight", device);
  network.layers.resize(static_cast<std::size_t>(network.config.num_hidden_layers));
  for (std::size_t layer = 0; layer < network.layers.size(); ++layer) {
    for (const LayerField& field : layer_fields(network.config)) {
      network.layers[layer].*field.tensor = place(checkpoint, layer_weight_name(layer, field.name), device);
    }
  }
  network.final_norm = place(checkpoint, "model.norm.weight", device);
  network.head = network.config.tie_word_embeddings ? network.embedding : place(checkpoint, "lm_head.weight", device);
  return network;
}

Network random_network(const ModelConfig& config, std::uint64_t seed) {
  Network network;
  network.config = config;
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t heads = config.num_attention_heads * config.head_dim;
  const std::int64_t kv_heads = config.num_key_value_heads * config.head_dim;
  // Each layer adds two terms to the residual stream, whose variance so stays that of one.
  const double residual = kWeightDeviation / std::sqrt(2.0 * static_cast<double>(config.num_hidden_layers));
  const auto weight = [&](const std::string& name, std::int64_t rows, std::int64_t columns, double deviation) {
    return draw(name, rows, columns, deviation, seed);
  };
  network.embedding = weight("model.embed_tokens.weight", config.vocab_size, hidden, kWeightDeviation);
  for (std::size_t layer = 0; layer < static_cast<std::size_t>(config.num_hidden_layers); ++layer) {
    const auto name = [layer](const char* field) { return layer_weight_name(layer, field); };
    LayerWeights weights;
    weights.attention_norm = at::ones({hidden}, at::kFloat);
    weights.query = weight(name("self_attn.q_proj.weight"), heads, hidden, kWeightDeviation);
    weights.key = weight(name("self_attn.k_proj.weight"), kv_heads, hidden, kWeightDeviation);
    weights.value = weight(name("self_attn.v_proj.weight"), kv_heads, hidden, kWeightDeviation);
    weights.output = weight(name("self_attn.o_proj.weight"), hidden, heads, residual);
    weights.mlp_norm = at::ones({hidden}, at::kFloat);
    weights.gate = weight(name("mlp.gate_proj.weight"), config.intermediate_size, hidden, kWeightDeviation);
    weights.up = weight(name("mlp.up_proj.weight"), config.intermediate_size, hidden, kWeightDeviation);
    weights.down = weight(name("mlp.down_proj.weight"), hidden, config.intermediate_size, residual);
    if (config.query_key_value_bias) {
      weights.query_bias = at::zeros({heads}, at::kFloat);
      weights.key_bias = at::zeros({kv_heads}, at::kFloat);
      weights.value_bias = at::zeros({kv_heads}, at::kFloat);
    }
    if (config.attention_output_bias) weights.output_bias = at::zeros({hidden}, at::kFloat);
    network.layers.push_back(std::move(weights));
  }
  network.final_norm = at::ones({hidden}, at::kFloat);
  network.head = config.tie_word_embeddings ? network.embedding
                                            : weight("lm_head.weight", config.vocab_size, hidden, kWeightDeviation);
  return network;
}

std::vector<std::pair<std::string, at::Tensor>> named_weights(const Network& network) {
  std::vector<std::pair<std::string, at::Tensor>> weights;
  weights.emplace_back("model.embed_tokens.weight", network.embedding);
  for (std::size_t layer = 0; layer < network.layers.size(); ++layer) {
    for (const LayerField& field : layer_fields(network.config)) {
      weights.emplace_back(layer_weight_name(layer, field.name), network.layers[layer].*field.tensor);
    }
  }
  weights.emplace_back("model.norm.weight", network.final_norm);
  if (!network.config.tie_word_embeddings) weights.emplace_back("lm_head.weight", network.head);
  return weights;
}

at::Tensor run_layers(const Network& network, const at::Tensor& tokens, Arithmetic arithmetic,
                      const Attention& attention, bool recompute) {
  const double epsilon = network.config.rms_norm_eps;
  const at::Tensor x = at::embedding(network.embedding, tokens).to(at::kFloat);
  if (network.layers.empty()) return rms_norm(x, network.final_norm, epsilon, Arithmetic::as_stored);
  LayerState state = {x, rms_norm(x, network.layers[0].attention_norm, epsilon, arithmetic)};
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    // By value for the same reason as in training_forward; the network outlives the backward pass.
    const LayerFunction layer = [&network, attention, arithmetic, i](const LayerState& before) {
      return run_layer(network, i, before, arithmetic, attention);
    };
    state = recompute ? recomputed(layer, state, learned_weight(network, i)) : layer(state);
  }
  return state.second;
}

AttentionShape attention_shape(const ModelConfig& config, std::size_t layer) {
  const bool windowed = static_cast<std::int64_t>(layer) >= config.first_windowed_layer;
  return {config.num_attention_heads, config.num_key_value_heads, config.head_dim,
          windowed ? config.sliding_window : 0};
}

at::Tensor training_forward(const Network& network, const at::Tensor& tokens, const SequenceLayout& layout,
                            const TrainingForward& options) {
  const Arithmetic arithmetic = training_arithmetic(options.bf16, tokens.device());
  std::int64_t longest = 0;
  for (std::size_t i = 0; i + 1 < layout.starts.size(); ++i) {
    longest = std::max(longest, layout.starts[i + 1] - layout.starts[i]);
  }
  const RotaryTable table = rotary_table(network.config, longest, tokens.device());
  // Taken by value: a layer that is computed again needs them after this function has returned.
  const Attention attention = [config = network.config, table, starts = layout.starts](
                                  std::size_t layer, const at::Tensor& query_key_value) {
    return causal_attention(query_key_value, attention_shape(config, layer), table, starts);
  };
  const bool recompute = options.recompute && at::GradMode::is_enabled();
  at::Tensor hidden = run_layers(network, tokens, arithmetic, attention, recompute);
  if (options.positions.defined()) hidden = hidden.index_select(0, options.positions);
  return output_logits(hidden, network.head, arithmetic);
}

}  // namespace mathtrap

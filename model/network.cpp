#include "model/network.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "model/mixture.h"
#include "model/ops.h"
#include "model/recompute.h"
#include "model/weights.h"
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

constexpr LayerField kAttentionFields[] = {
    {"input_layernorm.weight", &LayerWeights::attention_norm},
    {"self_attn.q_proj.weight", &LayerWeights::query},
    {"self_attn.k_proj.weight", &LayerWeights::key},
    {"self_attn.v_proj.weight", &LayerWeights::value},
    {"self_attn.o_proj.weight", &LayerWeights::output},
    {"post_attention_layernorm.weight", &LayerWeights::mlp_norm},
};

constexpr LayerField kDenseFields[] = {
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

std::string layer_weight_name(std::size_t layer, const std::string& field) {
  return fmt::format("model.layers.{}.{}", layer, field);
}

/// A weight of a network, and where it lives.
struct WeightPlace {
  std::string name;
  at::Tensor* tensor = nullptr;
};

/// The weights that a layer of the configuration has.
std::vector<WeightPlace> layer_weights(const ModelConfig& config, std::size_t index, LayerWeights& layer) {
  std::vector<WeightPlace> weights;
  const auto add = [&](const LayerField& field) {
    weights.push_back({layer_weight_name(index, field.name), &(layer.*field.tensor)});
  };
  for (const LayerField& field : kAttentionFields) add(field);
  if (config.query_key_value_bias) {
    for (const LayerField& field : kQueryKeyValueBiases) add(field);
  }
  if (config.attention_output_bias) add(kOutputBias);
  if (config.mixture.is_dense()) {
    for (const LayerField& field : kDenseFields) add(field);
    return weights;
  }
  for (const MixtureTensor& weight : mixture_tensors(config, index, layer.mixture)) {
    weights.push_back({layer_weight_name(index, weight.name), weight.tensor});
  }
  return weights;
}

/// Every weight of a network whose configuration is set; makes its layers.
std::vector<WeightPlace> weight_places(Network& network) {
  std::vector<WeightPlace> places = {{"model.embed_tokens.weight", &network.embedding}};
  network.layers.resize(static_cast<std::size_t>(network.config.num_hidden_layers));
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    for (WeightPlace& place : layer_weights(network.config, i, network.layers[i])) places.push_back(std::move(place));
  }
  places.push_back({"model.norm.weight", &network.final_norm});
  if (!network.config.tie_word_embeddings) places.push_back({"lm_head.weight", &network.head});
  return places;
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

at::Tensor draw(const std::string& name, const std::vector<std::int64_t>& shape, double deviation, std::uint64_t seed) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  Random random(seed, name);
  auto* values = tensor.data_ptr<float>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) values[i] = static_cast<float>(random.normal() * deviation);
  return tensor;
}

/// Weights that add to the residual stream: W_o, and a feed-forward block's last.
bool writes_residual(std::string_view name) {
  return name.find(".o_proj.") != name.npos || name.find("down_proj") != name.npos ||
         name.find("weight_down") != name.npos || name.ends_with(".w2.weight");
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

/// A feed-forward layer's part: what the residual stream gets, and a mixture's balance loss.
struct FeedForward {
  at::Tensor delta;
  at::Tensor balance_loss;
};

FeedForward run_feed_forward(const Network& network, std::size_t index, const at::Tensor& norm,
                             const LayerOptions& options, const Products& products) {
  const LayerWeights& layer = network.layers[index];
  const Observers* observers = options.observers;
  if (network.config.mixture.is_dense()) {
    const at::Tensor gated = swiglu(products({{Projection::gate, layer.gate}, {Projection::up, layer.up}}, norm));
    if (observers != nullptr && observers->dense) observers->dense(index, norm, gated);
    return {products({{Projection::down, layer.down}}, gated), {}};
  }
  const std::uint64_t seed = mix64(network.dropout_seed + index);
  MixtureOutput output = mix_experts(norm, layer.mixture, network.config, index, options.arithmetic, seed);
  if (observers != nullptr && observers->mixture) observers->mixture(index, norm, output.routing, output.dropped);
  return {std::move(output.delta), std::move(output.routing.balance_loss)};
}

LayerState run_layer(const Network& network, std::size_t index, const LayerState& state, const LayerOptions& options,
                     const Attention& attention) {
  const LayerWeights& layer = network.layers[index];
  const double epsilon = network.config.rms_norm_eps;
  const Arithmetic arithmetic = options.arithmetic;
  const Products products(network, index, arithmetic);
  const at::Tensor query_key_value = add_bias(
      products({{Projection::query, layer.query}, {Projection::key, layer.key}, {Projection::value, layer.value}},
               state.norm),
      {layer.query_bias, layer.key_bias, layer.value_bias});
  const at::Tensor mixed = attention(index, query_key_value);
  const at::Tensor attended = add_bias(products({{Projection::output, layer.output}}, mixed), layer.output_bias);
  const ResidualNorm residual = add_rms_norm(state.residual, attended, layer.mlp_norm, epsilon, arithmetic);
  const FeedForward block = run_feed_forward(network, index, residual.norm, options, products);
  const bool last = index + 1 == network.layers.size();
  const at::Tensor& next_norm = last ? network.final_norm : network.layers[index + 1].attention_norm;
  const ResidualNorm next =
      add_rms_norm(residual.sum, block.delta, next_norm, epsilon, last ? Arithmetic::as_stored : arithmetic);
  at::Tensor balance_loss = state.balance_loss;
  if (block.balance_loss.defined()) balance_loss = balance_loss + block.balance_loss;
  return {next.sum, next.norm, balance_loss};
}

/// Any tensor of the layer that is learned, where there is one.
at::Tensor learned_weight(const Network& network, std::size_t index) {
  if (!network.updates.empty()) {
    for (const LowRankUpdate& update : network.updates[index]) {
      if (update.defined()) return update.b;
    }
  }
  LayerWeights layer = network.layers[index];
  for (const WeightPlace& place : layer_weights(network.config, index, layer)) {
    if (place.tensor->requires_grad()) return *place.tensor;
  }
  return layer.attention_norm;
}

}  // namespace

Network make_network(const Checkpoint& checkpoint, const std::string& device_name) {
  const at::Device device = parse_device(device_name);
  Network network;
  network.config = checkpoint.config;
  for (const WeightPlace& weight : weight_places(network)) *weight.tensor = place(checkpoint, weight.name, device);
  if (network.config.tie_word_embeddings) network.head = network.embedding;
  return network;
}

Network random_network(const ModelConfig& config, std::uint64_t seed) {
  Network network;
  network.config = config;
  // Each layer adds two terms to the residual stream, whose variance so stays that of one.
  const double residual = kWeightDeviation / std::sqrt(2.0 * static_cast<double>(config.num_hidden_layers));
  const std::vector<WeightPlace> places = weight_places(network);
  const std::vector<ExpectedTensor> expected = expected_tensors(config);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto& [name, shape] = expected[i];
    const bool is_vector = shape.size() == 1;
    // Noise that is not learned yet has the least deviation that it can have.
    if (is_vector || name.find("weight_noise") != name.npos) {
      *places[i].tensor = name.ends_with("norm.weight") || name.ends_with("score_scale") ? at::ones(shape, at::kFloat)
                                                                                         : at::zeros(shape, at::kFloat);
    } else {
      *places[i].tensor = draw(name, shape, writes_residual(name) ? residual : kWeightDeviation, seed);
    }
  }
  if (config.tie_word_embeddings) network.head = network.embedding;
  return network;
}

std::vector<std::pair<std::string, at::Tensor>> named_weights(const Network& network) {
  Network copy = network;  // of the tensors' handles
  std::vector<std::pair<std::string, at::Tensor>> weights;
  for (WeightPlace& weight : weight_places(copy)) weights.emplace_back(std::move(weight.name), *weight.tensor);
  return weights;
}

at::Tensor run_layers(const Network& network, const at::Tensor& tokens, const LayerOptions& options,
                      const Attention& attention, at::Tensor* balance_loss) {
  const double epsilon = network.config.rms_norm_eps;
  const at::Tensor x = at::embedding(network.embedding, tokens).to(at::kFloat);
  if (network.layers.empty()) return rms_norm(x, network.final_norm, epsilon, Arithmetic::as_stored);
  LayerState state = {x, rms_norm(x, network.layers[0].attention_norm, epsilon, options.arithmetic), {}};
  const bool is_dense = network.config.mixture.is_dense();
  if (!is_dense && at::GradMode::is_enabled()) state.balance_loss = at::zeros({}, x.options());
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    // By value for the same reason as in training_forward; the network outlives the backward pass.
    const LayerFunction layer = [&network, attention, options, i](const LayerState& before) {
      return run_layer(network, i, before, options, attention);
    };
    state = options.recompute ? recomputed(layer, state, learned_weight(network, i)) : layer(state);
  }
  if (balance_loss != nullptr) *balance_loss = state.balance_loss;
  return state.norm;
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
  const LayerOptions layers = {arithmetic, options.recompute && at::GradMode::is_enabled(), options.observers};
  at::Tensor hidden = run_layers(network, tokens, layers, attention, options.balance_loss);
  if (options.positions.defined()) hidden = hidden.index_select(0, options.positions);
  return output_logits(hidden, network.head, arithmetic);
}

}  // namespace mathtrap

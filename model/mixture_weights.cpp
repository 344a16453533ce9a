#include "model/mixture_weights.h"

#include <fmt/format.h>

#include <utility>

namespace mathtrap {
namespace {

/// Adds what a layer has, under the architecture's names.
class Listing {
 public:
  Listing(const ModelConfig& config, std::vector<MixtureTensor>& tensors)
      : hidden_(config.hidden_size), experts_(config.mixture.num_experts), tensors_(tensors) {}

  void add(std::string name, std::vector<std::int64_t> shape, at::Tensor& tensor) {
    tensors_.push_back({std::move(name), std::move(shape), &tensor});
  }

  void add_gate(const MixtureConfig& mixture, GateWeights& gate) {
    switch (mixture.gate_network) {
      case GateNetwork::none:
        break;
      case GateNetwork::linear:
        add("mlp.gate.gate_network.weight", {experts_, hidden_}, gate.linear);
        break;
      case GateNetwork::mlp:
        add("mlp.gate.gate_network.0.weight", {experts_, hidden_}, gate.mlp_input);
        add("mlp.gate.gate_network.2.weight", {experts_, experts_}, gate.mlp_output);
        break;
      case GateNetwork::analytic:
        add("mlp.gate.gate_network.gate_proj.weight", {experts_, hidden_}, gate.analytic_gate);
        add("mlp.gate.gate_network.up_proj.weight", {experts_, hidden_}, gate.analytic_up);
        break;
    }
    if (mixture.add_noise) add("mlp.gate.weight_noise.weight", {experts_, hidden_}, gate.noise);
    if (mixture.selection_bias) add("mlp.gate.selection_bias", {experts_}, gate.selection_bias);
  }

  /// The names of a block's gate, up and down weights.
  struct BlockNames {
    std::string gate;
    std::string up;
    std::string down;
  };

  void add_block(BlockNames names, std::int64_t size, ExpertWeights& expert) {
    add(std::move(names.gate), {size, hidden_}, expert.gate);
    add(std::move(names.up), {size, hidden_}, expert.up);
    add(std::move(names.down), {hidden_, size}, expert.down);
  }

 private:
  std::int64_t hidden_;
  std::int64_t experts_;
  std::vector<MixtureTensor>& tensors_;
};

Listing::BlockNames llama_moe_expert(std::size_t expert) {
  constexpr const char* kName = "mlp.calculator.experts.weight_{}.{}";
  return {fmt::format(kName, "gate", expert), fmt::format(kName, "up", expert), fmt::format(kName, "down", expert)};
}

/// Mixtral's block w2(silu(w1(x)) * w3(x)).
Listing::BlockNames mixtral_block(const std::string& prefix) {
  return {prefix + ".w1.weight", prefix + ".w3.weight", prefix + ".w2.weight"};
}

}  // namespace

std::vector<MixtureTensor> mixture_tensors(const ModelConfig& config, std::size_t layer, MixtureWeights& weights) {
  const MixtureConfig& mixture = config.mixture;
  const bool is_mixtral = config.architecture == Architecture::mixtral;
  std::vector<MixtureTensor> tensors;
  Listing listing(config, tensors);
  weights.experts.resize(static_cast<std::size_t>(mixture.num_experts));
  if (is_mixtral) {
    listing.add("block_sparse_moe.gate.weight", {mixture.num_experts, config.hidden_size}, weights.gate.linear);
  } else {
    listing.add_gate(mixture, weights.gate);
    if (mixture.learned_scale) listing.add("mlp.gate.score_scale", {1}, weights.score_scale);
  }
  for (std::size_t i = 0; i < weights.experts.size(); ++i) {
    listing.add_block(is_mixtral ? mixtral_block(fmt::format("block_sparse_moe.experts.{}", i)) : llama_moe_expert(i),
                      mixture.expert_sizes[layer][i], weights.experts[i]);
  }
  if (mixture.shared_size == 0) return tensors;
  listing.add_block(is_mixtral ? mixtral_block("mlp_residual")
                               : Listing::BlockNames{"mlp.residual.gate_proj.weight", "mlp.residual.up_proj.weight",
                                                     "mlp.residual.down_proj.weight"},
                    mixture.shared_size, weights.shared);
  return tensors;
}

bool is_gate_weight(std::string_view name) {
  return name.find(".mlp.gate.") != name.npos || name.find(".block_sparse_moe.gate.") != name.npos;
}

bool is_selection_bias(std::string_view name) {
  return name.ends_with(".mlp.gate.selection_bias");
}

}  // namespace mathtrap

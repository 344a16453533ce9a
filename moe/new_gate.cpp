#include "moe/new_gate.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "model/mixture.h"
#include "moe/router_training.h"
#include "support/error.h"
#include "support/random.h"

namespace mathtrap {
namespace {

std::optional<double> number_of(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

bool is_mixtral(const ConstructOptions& options) {
  return options.layout == "mixtral";
}

bool is_uniform(const ConstructOptions& options) {
  return options.gate == "uniform" || (options.gate == "auto" && options.select == options.experts);
}

/// Experts are whole feed-forward layers, of which one alone does what a dense model does.
bool has_whole_layers(const ConstructOptions& options) {
  return options.method == "upcycle" || options.method == "drop-upcycle" || options.method == "merge";
}

GateKind kind_of(const ConstructOptions& options) {
  if (is_mixtral(options)) return GateKind::top_k_balanced_noisy;
  if (is_uniform(options)) return GateKind::uniform_plain;
  if (options.gate == "random") return GateKind::random_plain;
  return options.gate == "switch" ? GateKind::switch_balanced : GateKind::top_k_balanced_noisy;
}

/// A Mixtral's gate is linear and has no noise, its scores one scale.
void check_mixtral(const ConstructOptions& options) {
  const auto refuse = [](const std::string& option, const char* why) {
    throw Error(fmt::format("{} with --layout mixtral: {}; use --layout llama-moe", option, why));
  };
  if (options.gate == "switch" || options.gate == "random") {
    refuse("--gate " + options.gate, "its gate takes the experts with the largest logits");
  }
  if (options.router == "mlp" || options.router == "analytic") {
    refuse("--router " + options.router, "its gate is linear");
  }
  if (options.scale == "none") refuse("--scale none", "its experts are multiplied by their scores");
  if (options.scale == "calibrated") refuse("--scale calibrated", "all its layers have one scale");
  if (options.learned_scale) refuse("--learned-scale", "it has no weight for the scale");
}

GateNetwork network_of(const ConstructOptions& options, const LayerSplit& split, GateKind kind) {
  const bool is_plain = kind == GateKind::uniform_plain || kind == GateKind::random_plain;
  if (is_plain) return GateNetwork::none;
  if (options.router == "clusters" && !split.centroids.defined()) {
    throw Error(
        fmt::format("--router clusters: the method {} makes no clusters of inputs; gradient-split does, and "
                    "merge with a text for each model",
                    options.method));
  }
  if (options.router == "analytic" && split.representatives.empty()) {
    throw Error(
        fmt::format("--router analytic: the method {} names no neuron for each expert; cmoe does", options.method));
  }
  if (is_mixtral(options)) return GateNetwork::linear;
  if (options.router == "mlp" || options.router == "trained") return GateNetwork::mlp;
  if (options.router == "linear" || options.router == "fitted" || split.centroids.defined()) return GateNetwork::linear;
  return split.representatives.empty() ? GateNetwork::mlp : GateNetwork::analytic;
}

bool is_of_clusters(const ConstructOptions& options, const LayerSplit& split) {
  return split.centroids.defined() && (options.router == "auto" || options.router == "clusters");
}

void train_gate(const ConstructOptions& options, const LayerWeights& dense, const LayerSplit& split,
                const LayerStatistics& statistics, GateWeights& gate) {
  const at::ScalarType type = dense.gate.scalar_type();
  for (at::Tensor* weight : {&gate.linear, &gate.mlp_input, &gate.mlp_output}) {
    if (weight->defined()) *weight = weight->to(at::kFloat);
  }
  RouterTraining training;
  training.loss = options.router_loss == "divergence" ? RouterLoss::divergence : RouterLoss::top_k;
  training.select = options.select;
  training.seed = options.seed;
  train_router(statistics.inputs, expert_activations(statistics.inputs, dense, split.partition.experts), training,
               gate);
  for (at::Tensor* weight : {&gate.linear, &gate.mlp_input, &gate.mlp_output}) {
    if (weight->defined()) *weight = weight->to(type);
  }
}

/// The scale at which the mixture's output is as large as the dense layer's, over the inputs of the text: the mean of
/// |s + a r|^2 / |d|^2 over tokens is 1, with s what the shared experts give, r what the others give and d what the
/// dense layer gives. Where no scale does it, the one that comes nearest to d. A token's own size is what it is
/// measured by: trained models have tokens with enormous outputs in some layers, and where shared experts give most of
/// these, routed ones would be blown up to make good a missing thousandth.
double calibrated_scale(const ModelConfig& config, std::size_t layer, const LayerWeights& dense,
                        const MixtureWeights& weights, const at::Tensor& x) {
  const at::NoGradGuard no_gradients;
  const ExpertWeights whole = {dense.gate, dense.up, dense.down};
  const at::Tensor given = run_expert(x, whole).to(at::kDouble);
  const at::Tensor size = given.square().sum(1, /*keepdim=*/true).sqrt().clamp_min(std::numeric_limits<double>::min());
  const at::Tensor d = given / size;
  const at::Tensor mixed =
      mix_experts(x, weights, config, layer, Arithmetic::as_stored, 0).delta.to(at::kDouble) / size;
  const at::Tensor s =
      weights.shared.gate.defined() ? run_expert(x, weights.shared).to(at::kDouble) / size : at::zeros_like(mixed);
  const at::Tensor r = mixed - s;
  const auto product = [](const at::Tensor& one, const at::Tensor& other) {
    return (one * other).sum().item<double>();
  };
  const double a = product(r, r);
  if (a == 0) return 1;
  const double b = product(s, r);
  const double c = product(s, s) - product(d, d);
  const double root = b * b - a * c;
  if (root >= 0 && -b + std::sqrt(root) > 0) return (-b + std::sqrt(root)) / a;
  return product(d - s, r) / a;
}

}  // namespace

bool is_taught(const ConstructOptions& options) {
  return options.router == "trained" || options.router == "fitted";
}

bool is_number(const std::string& scale) {
  return number_of(scale).has_value();
}

at::Tensor draw_weights(const std::string& name, const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  Random random(seed, name);
  auto* values = tensor.data_ptr<float>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) values[i] = static_cast<float>(random.normal() * kDrawnDeviation);
  return tensor;
}

void choose_gate(const ConstructOptions& options, const LayerSplit& split, ModelConfig& config) {
  if (is_mixtral(options)) check_mixtral(options);
  const auto layers = static_cast<std::size_t>(config.num_hidden_layers);
  MixtureConfig& mixture = config.mixture;
  config.architecture = is_mixtral(options) ? Architecture::mixtral : Architecture::llama_moe;
  mixture.num_experts = options.experts;
  mixture.num_selects = options.select;
  mixture.shared_size = static_cast<std::int64_t>(split.partition.shared.size());
  mixture.expert_sizes.resize(layers);
  mixture.score_scale.assign(is_mixtral(options) ? 1 : layers, 1.0);
  mixture.learned_scale = options.learned_scale;
  mixture.gate = kind_of(options);
  mixture.gate_network = network_of(options, split, mixture.gate);
  const bool is_drawn = mixture.gate_network == GateNetwork::mlp || mixture.gate_network == GateNetwork::linear;
  // Noise would drown what a gate made from data says.
  mixture.add_noise = options.gate_noise && mixture.gate == GateKind::top_k_balanced_noisy && is_drawn &&
                      !is_mixtral(options) && !split.centroids.defined() && !is_taught(options);
  const bool is_analytic = mixture.gate_network == GateNetwork::analytic;
  mixture.multiply_scores = options.scale != "none" && !(options.scale == "auto" && is_analytic);
}

void fill_gate(const ConstructOptions& options, const ModelConfig& config, std::int64_t layer,
               const LayerWeights& dense, const LayerSplit& split, const LayerStatistics* statistics,
               GateWeights& gate) {
  const std::int64_t experts = options.experts;
  const at::ScalarType type = dense.gate.scalar_type();
  const auto draw = [&](const char* name, std::int64_t columns) {
    return draw_weights(fmt::format("gate.{}.{}", layer, name), {experts, columns}, options.seed).to(type);
  };
  switch (config.mixture.gate_network) {
    case GateNetwork::none:
      break;
    case GateNetwork::linear:
      if (is_uniform(options)) {
        gate.linear = at::zeros({experts, config.hidden_size}, type);  // equal logits, equal scores
      } else if (options.router == "fitted") {
        const at::Tensor shares =
            expert_shares(statistics->inputs, dense, statistics->importance, split.partition.experts);
        gate.linear = fit_router(statistics->inputs, shares).to(type);
      } else {
        gate.linear = is_of_clusters(options, split) ? split.centroids.to(type) : draw("linear", config.hidden_size);
      }
      break;
    case GateNetwork::mlp:
      gate.mlp_input = draw("mlp_input", config.hidden_size);
      gate.mlp_output = draw("mlp_output", experts);
      break;
    case GateNetwork::analytic: {
      const at::Tensor index = at::tensor(split.representatives);
      gate.analytic_gate = dense.gate.index_select(0, index);
      gate.analytic_up = dense.up.index_select(0, index);
      break;
    }
  }
  if (config.mixture.add_noise) gate.noise = at::zeros({experts, config.hidden_size}, type);
  if (options.router == "trained" && !is_uniform(options)) train_gate(options, dense, split, *statistics, gate);
}

double choose_scale(const ConstructOptions& options, const ModelConfig& config, std::int64_t layer,
                    const LayerWeights& dense, const MixtureWeights& weights, const LayerStatistics* statistics) {
  const auto experts = static_cast<double>(options.experts);
  if (const std::optional<double> given = number_of(options.scale)) return *given;
  if (options.scale == "none") return 1;
  if (options.scale == "calibrated") {
    return calibrated_scale(config, static_cast<std::size_t>(layer), dense, weights, statistics->inputs);
  }
  if (options.scale == "published") return experts / static_cast<double>(options.select);
  if (options.scale == "mean") return experts;
  // A whole layer needs no more weight than its score; without scores an expert has its own already.
  if (has_whole_layers(options) || !config.mixture.multiply_scores) return 1;
  // Equal scores times this are 1, what each part of the dense layer weighs in it.
  return config.mixture.gate == GateKind::switch_balanced ? experts : static_cast<double>(options.select);
}

}  // namespace mathtrap

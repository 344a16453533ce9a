#include "model/mixture.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>

namespace mathtrap {
namespace {

/// Pairs of token and expert that an expert takes; Fedus et al. 2021, equation 3.
std::int64_t capacity_of(const MixtureConfig& mixture, std::int64_t tokens) {
  if (mixture.capacity_factor == 0 || !at::GradMode::is_enabled()) return tokens;
  const double even = static_cast<double>(tokens * mixture.num_selects) / static_cast<double>(mixture.num_experts);
  return std::min(tokens, static_cast<std::int64_t>(mixture.capacity_factor * even));
}

}  // namespace

at::Tensor run_expert(const at::Tensor& x, const ExpertWeights& weights, Arithmetic arithmetic) {
  const at::Tensor gated = swiglu(linear(x, {weights.gate, weights.up}, arithmetic));
  return linear(gated, weights.down, arithmetic);
}

MixtureOutput mix_experts(const at::Tensor& x, const MixtureWeights& weights, const ModelConfig& config,
                          std::size_t layer, Arithmetic arithmetic, std::uint64_t noise_seed) {
  const MixtureConfig& mixture = config.mixture;
  MixtureOutput output;
  output.routing = route(x, weights.gate, config, noise_seed);
  const Routing& routing = output.routing;
  const double scale = score_scale_of(mixture, layer);
  const std::int64_t capacity = capacity_of(mixture, x.size(0));
  output.delta = weights.shared.gate.defined() ? run_expert(x, weights.shared, arithmetic).to(at::kFloat)
                                               : at::zeros(x.sizes(), x.options().dtype(at::kFloat));
  for (std::size_t i = 0; i < weights.experts.size(); ++i) {
    // [pairs, 2]: the token, and which of its choices this expert is. In the order of the tokens.
    at::Tensor pairs = at::nonzero(routing.experts == static_cast<std::int64_t>(i));
    if (pairs.size(0) > capacity) {
      output.dropped += pairs.size(0) - capacity;
      pairs = pairs.narrow(0, 0, capacity);
    }
    // In training an expert without tokens takes part all the same, so that its weights have a gradient: zero.
    if (pairs.size(0) == 0 && !at::GradMode::is_enabled()) continue;
    const at::Tensor tokens = pairs.select(1, 0);
    at::Tensor y = run_expert(x.index_select(0, tokens), weights.experts[i], arithmetic).to(at::kFloat) * scale;
    if (weights.score_scale.defined()) y = y * weights.score_scale.to(at::kFloat);
    if (mixture.multiply_scores) {
      y = y * routing.scores.index_select(0, tokens).gather(1, pairs.narrow(1, 1, 1));
    }
    output.delta = output.delta.index_add(0, tokens, y);
  }
  return output;
}

}  // namespace mathtrap

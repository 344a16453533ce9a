#include "model/gate.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <string_view>
#include <tuple>

#include "model/ops.h"
#include "support/hash.h"
#include "support/random.h"

namespace mathtrap {
namespace {

/// Products of gates are small, and a choice must not hang on their rounding: f32, not bf16.
at::Tensor product(const at::Tensor& x, const at::Tensor& weight) {
  return linear(x, weight, Arithmetic::as_stored);
}

/// [tokens, E], or undefined for the plain gates.
at::Tensor gate_logits(const at::Tensor& x, const GateWeights& gate, GateNetwork network) {
  switch (network) {
    case GateNetwork::none:
      return {};
    case GateNetwork::linear:
      return product(x, gate.linear);
    case GateNetwork::mlp:
      return product(product(x, gate.mlp_input).tanh(), gate.mlp_output);
    case GateNetwork::analytic:
      break;
  }
  return at::silu(product(x, gate.analytic_gate)) * product(x, gate.analytic_up);
}

/// Standard normal, [tokens, E].
at::Tensor standard_noise(const at::Tensor& like, std::uint64_t seed) {
  const at::Tensor noise = at::empty(like.sizes(), at::kFloat);
  Random random(seed, "gate noise");
  auto* values = noise.data_ptr<float>();
  for (std::int64_t i = 0; i < noise.numel(); ++i) values[i] = static_cast<float>(random.normal());
  return noise.to(like.device());
}

/// Numbers in [0, 1) drawn from each token's bits: [tokens, E].
at::Tensor drawn_numbers(const at::Tensor& x, std::int64_t experts) {
  const at::Tensor rows = x.detach().to(at::kCPU, at::kFloat).contiguous();
  const at::Tensor numbers = at::empty({rows.size(0), experts}, at::kFloat);
  auto* values = numbers.data_ptr<float>();
  const std::size_t bytes = static_cast<std::size_t>(rows.size(1)) * sizeof(float);
  for (std::int64_t token = 0; token < rows.size(0); ++token) {
    const auto* row = reinterpret_cast<const char*>(rows.data_ptr<float>() + token * rows.size(1));
    Random random(hash64(std::string_view(row, bytes)), "random gate");
    for (std::int64_t i = 0; i < experts; ++i) values[token * experts + i] = static_cast<float>(random.uniform());
  }
  return numbers.to(x.device());
}

struct Largest {
  at::Tensor values;   ///< [tokens, count], largest first
  at::Tensor columns;  ///< [tokens, count]
};

/// The largest of each row; equal ones in the order of their columns.
Largest largest_of(const at::Tensor& rows, std::int64_t count) {
  const auto [values, columns] = at::sort(rows, /*stable=*/true, /*dim=*/1, /*descending=*/true);
  return {values.narrow(1, 0, count), columns.narrow(1, 0, count)};
}

/// [tokens, k] values summed by expert: [E].
at::Tensor sum_by_expert(const at::Tensor& values, const at::Tensor& experts, std::int64_t count) {
  return at::zeros({count}, values.options()).index_add(0, experts.reshape({-1}), values.reshape({-1}));
}

/// The squared coefficient of variation.
at::Tensor squared_variation(const at::Tensor& x) {
  if (x.numel() < 2) return at::zeros({}, x.options());
  return x.var(/*unbiased=*/true) / (x.mean().square() + 1e-10);
}

/// Shazeer et al. 2017, equations 8-10: the sum over tokens of the probability that an expert is chosen if the noise on
/// its logit alone were drawn again, which is that its noisy logit exceeds the k-th largest of the others.
at::Tensor smooth_load(const at::Tensor& logits, const at::Tensor& noisy, const at::Tensor& deviation, std::int64_t k) {
  const std::int64_t experts = logits.size(1);
  if (k == experts) return at::full({experts}, static_cast<double>(logits.size(0)), logits.options());
  const Largest top = largest_of(noisy, k + 1);
  const at::Tensor if_in = top.values.narrow(1, k, 1);
  const at::Tensor if_out = top.values.narrow(1, k - 1, 1);
  const at::Tensor threshold = at::where(noisy > if_in, if_in, if_out);
  const at::Tensor z = (logits - threshold) / deviation;
  return (0.5 * (1 + (z / std::sqrt(2.0)).erf())).sum(0);
}

/// Fedus et al. 2021, equation 4, for k experts a token.
at::Tensor switch_loss(const at::Tensor& probabilities, const at::Tensor& load, double weight) {
  const auto experts = static_cast<double>(probabilities.size(1));
  return weight * experts * (probabilities.mean(0) * (load / load.sum())).sum();
}

/// The k experts with the largest `choice`, after the bias that balances the load.
at::Tensor choose(const at::Tensor& choice, const GateWeights& gate, std::int64_t k) {
  const at::Tensor biased = gate.selection_bias.defined() ? choice + gate.selection_bias : choice;
  return largest_of(biased.detach(), k).columns;
}

void count_load(Routing& routing, std::int64_t experts) {
  const at::Tensor scores = routing.scores.detach();
  routing.load = sum_by_expert(at::full(scores.sizes(), 1.0, scores.options()), routing.experts, experts);
}

/// The noisy gate, and Mixtral's, which is the same without noise.
void route_by_largest(const at::Tensor& x, const GateWeights& gate, const ModelConfig& config, std::uint64_t noise_seed,
                      Routing& routing) {
  const MixtureConfig& mixture = config.mixture;
  const bool is_noisy = mixture.add_noise && at::GradMode::is_enabled();
  at::Tensor noisy = routing.logits;
  at::Tensor deviation;
  if (is_noisy) {
    deviation = at::softplus(product(x, gate.noise)) + mixture.noise_epsilon;
    noisy = routing.logits + standard_noise(routing.logits, noise_seed) * deviation;
  }
  routing.experts = choose(noisy, gate, mixture.num_selects);
  routing.scores = at::softmax(noisy.gather(1, routing.experts), 1);
  routing.importance = sum_by_expert(routing.scores, routing.experts, mixture.num_experts);
  count_load(routing, mixture.num_experts);
  if (!at::GradMode::is_enabled()) return;
  if (config.architecture == Architecture::mixtral) {
    routing.balance_loss = switch_loss(at::softmax(routing.logits, 1), routing.load, mixture.balance_loss_weight);
    return;
  }
  if (is_noisy) routing.load = smooth_load(routing.logits, noisy, deviation, mixture.num_selects);
  routing.balance_loss =
      mixture.balance_loss_weight * (squared_variation(routing.importance) + squared_variation(routing.load));
}

void route_by_probability(const GateWeights& gate, const MixtureConfig& mixture, Routing& routing) {
  const at::Tensor probabilities = at::softmax(routing.logits, 1);
  routing.experts = choose(routing.logits, gate, mixture.num_selects);
  routing.scores = probabilities.gather(1, routing.experts);
  routing.importance = sum_by_expert(routing.scores, routing.experts, mixture.num_experts);
  count_load(routing, mixture.num_experts);
  if (!at::GradMode::is_enabled()) return;
  routing.balance_loss = switch_loss(probabilities, routing.load, mixture.balance_loss_weight);
}

/// Gates that choose without looking: all experts, or k by chance.
void route_blindly(const at::Tensor& x, const MixtureConfig& mixture, Routing& routing) {
  const std::int64_t k = mixture.num_selects;
  const bool is_uniform = mixture.gate == GateKind::uniform_plain || mixture.gate == GateKind::uniform_learnable;
  routing.experts = is_uniform ? at::arange(k, x.options().dtype(at::kLong)).expand({x.size(0), k}).contiguous()
                               : largest_of(drawn_numbers(x, mixture.num_experts), k).columns;
  routing.scores = routing.logits.defined() ? at::softmax(routing.logits.gather(1, routing.experts), 1)
                                            : at::full({x.size(0), k}, 1.0 / static_cast<double>(k), x.options());
  routing.importance = sum_by_expert(routing.scores, routing.experts, mixture.num_experts);
  count_load(routing, mixture.num_experts);
  if (at::GradMode::is_enabled()) routing.balance_loss = at::zeros({}, x.options());
}

}  // namespace

Routing route(const at::Tensor& x, const GateWeights& gate, const ModelConfig& config, std::uint64_t noise_seed) {
  const MixtureConfig& mixture = config.mixture;
  const at::Tensor wide = x.to(at::kFloat);
  Routing routing;
  routing.logits = gate_logits(wide, gate, mixture.gate_network);
  switch (mixture.gate) {
    case GateKind::top_k_balanced_noisy:
      route_by_largest(wide, gate, config, noise_seed, routing);
      break;
    case GateKind::switch_balanced:
      route_by_probability(gate, mixture, routing);
      break;
    case GateKind::uniform_plain:
    case GateKind::uniform_learnable:
    case GateKind::random_plain:
    case GateKind::random_learnable:
      route_blindly(wide, mixture, routing);
      break;
  }
  return routing;
}

}  // namespace mathtrap

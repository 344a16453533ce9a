#include "moe/observe_routing.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <unordered_map>

#include "support/error.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

void check_prompts(const Network& network, const std::vector<std::vector<TokenId>>& prompts) {
  const ModelConfig& config = network.config;
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto length = static_cast<std::int64_t>(prompts[i].size());
    if (length == 0) throw Error(fmt::format("prompt {}: is empty, and the model has no begin-of-text", i + 1));
    if (length > config.max_position_embeddings) {
      throw Error(fmt::format("prompt {}: {} tokens do not fit the model's context of {}; shorten it", i + 1, length,
                              config.max_position_embeddings));
    }
    tokens += length;
  }
  const std::int64_t each = static_cast<std::int64_t>(network.layers.size()) * config.mixture.num_experts;
  if (static_cast<std::int64_t>(prompts.size()) > kMaxRoutingCounts / std::max<std::int64_t>(1, each)) {
    throw Error(fmt::format("{} prompts with {} experts in all layers: more than {} counts; use a smaller --limit",
                            prompts.size(), each, kMaxRoutingCounts));
  }
  const std::int64_t choices = static_cast<std::int64_t>(network.layers.size()) * config.mixture.num_selects;
  if (tokens > kMaxRoutes / std::max<std::int64_t>(1, choices)) {
    throw Error(fmt::format("{} tokens with {} experts each in all layers: more than {}; use a smaller --limit", tokens,
                            choices, kMaxRoutes));
  }
}

/// - sum p log2 p of the softmax over `logits`.
double softmax_entropy(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  double weighted = 0;  // of exp(l - largest) (l - largest)
  for (const float logit : logits) {
    const double below = static_cast<double>(logit) - largest;
    sum += std::exp(below);
    weighted += std::exp(below) * below;
  }
  return (std::log(sum) - weighted / sum) / std::log(2.0);
}

/// The counts of one layer; `together` may be null.
LayerRouting count_layer(const Routing& routing, std::int64_t experts, std::vector<std::int64_t>* together) {
  const at::Tensor chosen = routing.experts.to(at::kCPU, at::kLong).contiguous();
  const at::Tensor scores = routing.scores.to(at::kCPU, at::kFloat).contiguous();
  const auto tokens = static_cast<std::size_t>(chosen.size(0));
  const auto select = static_cast<std::size_t>(chosen.size(1));
  const auto width = static_cast<std::size_t>(experts);
  LayerRouting counts;
  counts.chosen.assign(width, 0);
  counts.mass.assign(width, 0);
  counts.routes.reserve(tokens * select);
  for (std::size_t token = 0; token < tokens; ++token) {
    const std::span own(chosen.data_ptr<std::int64_t>() + token * select, select);
    const std::span own_scores(scores.data_ptr<float>() + token * select, select);
    for (std::size_t i = 0; i < select; ++i) {
      const auto expert = static_cast<std::size_t>(own[i]);
      ++counts.chosen[expert];
      counts.mass[expert] += static_cast<double>(own_scores[i]);
      if (together == nullptr) continue;
      for (const std::int64_t other : own) ++(*together)[expert * width + static_cast<std::size_t>(other)];
    }
    counts.routes.insert(counts.routes.end(), own.begin(), own.end());
    std::sort(counts.routes.end() - static_cast<std::ptrdiff_t>(select), counts.routes.end());
  }
  if (!routing.logits.defined()) return counts;
  const at::Tensor logits = routing.logits.to(at::kCPU, at::kFloat).contiguous();
  for (std::size_t token = 0; token < tokens; ++token) {
    counts.entropy += softmax_entropy({logits.data_ptr<float>() + token * width, width});
  }
  return counts;
}

}  // namespace

ObservedRouting observe_routing(const Network& network, const std::vector<std::vector<TokenId>>& prompts) {
  check_prompts(network, prompts);
  const at::NoGradGuard no_gradients;
  const MixtureConfig& mixture = network.config.mixture;
  ObservedRouting observed;
  observed.experts = mixture.num_experts;
  observed.select = mixture.num_selects;
  observed.has_logits = mixture.gate_network != GateNetwork::none;
  if (mixture.num_selects > 1 && mixture.num_experts <= kMaxPairedExperts) {
    const auto pairs = static_cast<std::size_t>(mixture.num_experts * mixture.num_experts);
    observed.together.assign(network.layers.size(), std::vector<std::int64_t>(pairs, 0));
  }
  Observers observers;
  observers.mixture = [&](std::size_t layer, const at::Tensor& /*input*/, const Routing& routing, std::int64_t) {
    observed.prompts.back().layers.push_back(
        count_layer(routing, mixture.num_experts, observed.together.empty() ? nullptr : &observed.together[layer]));
  };
  TrainingForward forward;
  forward.observers = &observers;
  forward.positions = at::zeros({1}, at::kLong);
  Progress bar("routing", prompts.size(), "prompts");
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto length = static_cast<std::int64_t>(prompts[i].size());
    observed.prompts.push_back({length, {}});
    const std::vector<std::int64_t> tokens(prompts[i].begin(), prompts[i].end());
    training_forward(network, at::tensor(tokens), {{0, length}}, forward);
    bar.update(i + 1);
  }
  return observed;
}

std::vector<double> expert_overlap(const MixtureWeights& weights) {
  const std::size_t experts = weights.experts.size();
  if (experts > static_cast<std::size_t>(kMaxPairedExperts)) return {};
  std::vector<at::Tensor> rows;
  std::unordered_map<std::string_view, std::vector<std::size_t>> owners;  // of each distinct row, ascending
  std::vector<std::size_t> distinct(experts, 0);
  for (std::size_t expert = 0; expert < experts; ++expert) {
    rows.push_back(weights.experts[expert].up.to(at::kCPU).contiguous());
    const auto bytes = static_cast<std::size_t>(rows.back().size(1)) * rows.back().element_size();
    const auto* first = static_cast<const char*>(rows.back().data_ptr());
    for (std::int64_t row = 0; row < rows.back().size(0); ++row) {
      std::vector<std::size_t>& own = owners[{first + static_cast<std::size_t>(row) * bytes, bytes}];
      if (!own.empty() && own.back() == expert) continue;
      own.push_back(expert);
      ++distinct[expert];
    }
  }
  std::vector<double> overlap(experts * experts, 0);
  for (const auto& [row, own] : owners) {
    for (const std::size_t a : own) {
      for (const std::size_t b : own) overlap[a * experts + b] += 1;
    }
  }
  for (std::size_t a = 0; a < experts; ++a) {
    for (std::size_t b = 0; b < experts; ++b) {
      overlap[a * experts + b] /= static_cast<double>(std::max<std::size_t>(1, std::min(distinct[a], distinct[b])));
    }
  }
  return overlap;
}

}  // namespace mathtrap

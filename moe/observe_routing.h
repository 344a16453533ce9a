// Runs a mixture of experts over texts and writes down where its tokens go; and which experts share neurons.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/mixture_weights.h"
#include "model/network.h"
#include "model/tokenizer.h"
#include "moe/routing_measures.h"

namespace mathtrap {

/// Tables of pairs of experts are made up to so many experts.
inline constexpr std::int64_t kMaxPairedExperts = 256;
/// Counts that are kept of all prompts: prompts * layers * experts.
inline constexpr std::int64_t kMaxRoutingCounts = std::int64_t{1} << 26;
/// Experts of tokens that are kept: tokens * layers * k.
inline constexpr std::int64_t kMaxRoutes = std::int64_t{1} << 28;

struct ObservedRouting {
  std::int64_t experts = 0;
  std::int64_t select = 0;
  bool has_logits = false;             ///< the gates look at the token: there is an entropy
  std::vector<PromptRouting> prompts;  ///< in their order
  /// [layers][E * E] tokens for which both experts were chosen, over all prompts; on the diagonal those of the expert.
  /// Empty where a token has one expert, and above kMaxPairedExperts.
  std::vector<std::vector<std::int64_t>> together;
};

/// One pass without gradients, each prompt by itself and in order, with a progress bar: a prompt's counts depend on its
/// tokens alone. Needs a network with experts. Throws Error when a prompt is empty or longer than the context, and when
/// there would be more than kMaxRoutingCounts or kMaxRoutes.
ObservedRouting observe_routing(const Network& network, const std::vector<std::vector<TokenId>>& prompts);

/// [E * E] the share of neurons that two experts have in common: distinct rows of up_proj that are equal bit for bit in
/// both, over the distinct rows of the smaller expert. 1 on the diagonal, 0 between the parts of a partition, 1 between
/// copies. Empty above kMaxPairedExperts.
std::vector<double> expert_overlap(const MixtureWeights& weights);

}  // namespace mathtrap

// What the gates of a mixture did with tokens, as plain counts, and the figures that are made of them: load,
// importance, entropy, dead experts, and which experts are chosen together. Names no LibTorch type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace mathtrap {

/// Sums over tokens at one layer with E experts, of which each token is sent to k.
struct LayerRouting {
  std::vector<std::int64_t> chosen;  ///< [E] tokens that were sent to the expert
  std::vector<double> mass;          ///< [E] their scores, before the layer's scale
  double entropy = 0;                ///< bits: of the softmax over all E logits, before the choice (no selection bias)
  /// [tokens * k] the experts of each token, ascending; of one prompt alone, sums have none.
  std::vector<std::uint16_t> routes = {};
};

/// Of one prompt, or of several added.
struct PromptRouting {
  std::int64_t tokens = 0;
  std::vector<LayerRouting> layers;
};

/// Adds `more`, of the same layers and experts, to `total`, without routes; an empty total becomes it. Sums of doubles
/// hang on the order in which prompts are added, and on nothing else.
void add_routing(PromptRouting& total, const PromptRouting& more);

/// The figures of one layer over n tokens. Without tokens all are 0 and every expert is dead.
struct LayerMeasures {
  std::vector<double> load;        ///< [E] chosen / (n k): share of all assignments; sums to 1
  std::vector<double> importance;  ///< [E] mass / n: score that a token gives the expert, on average
  /// Mean over tokens of - sum p log2 p, p = softmax over all E logits: at most log2 E. Nothing for gates without
  /// logits.
  std::optional<double> gate_entropy;
  double load_entropy = 0;         ///< - sum load log2 load, in bits: log2 E when all experts are used alike
  double max_over_mean = 0;        ///< largest load over 1 / E: 1 when even, E / k at most
  double variation = 0;            ///< standard deviation of the load (over E - 1) over its mean, as in balance losses
  std::vector<std::int64_t> dead;  ///< experts that no token was sent to
};

LayerMeasures measure_layer(const LayerRouting& routing, std::int64_t tokens, std::int64_t select, bool has_logits);

/// How often two experts would be chosen for the same token if experts had no preference for each other: [E, E], 0 on
/// the diagonal. An expert that is chosen N_a times meets (k - 1) N_a others; of all tables with these sums the one
/// wanted is of the form u_a u_b off the diagonal (quasi-independence, Goodman 1968; found by fitting sums in turn).
/// The plain product N_a N_b / n would not do: k different experts are chosen, so that even blind choices meet less
/// often than it says. Needs select > 1.
std::vector<double> expected_together(std::span<const std::int64_t> chosen, std::int64_t select);

/// Pairs of which fewer are expected say too little for a ratio.
inline constexpr double kLeastExpected = 5;

/// together / expected, [E, E]: above 1 for experts that are chosen together more often than their loads explain.
/// Nothing on the diagonal and where fewer than kLeastExpected are expected. `together` is [E, E], symmetric: tokens
/// that both experts were chosen for.
std::vector<std::optional<double>> co_selection_lift(std::span<const std::int64_t> together,
                                                     std::span<const std::int64_t> chosen, std::int64_t select);

}  // namespace mathtrap

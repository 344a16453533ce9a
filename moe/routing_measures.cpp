#include "moe/routing_measures.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mathtrap {
namespace {

constexpr int kMaxSweeps = 2000;
constexpr double kSweepTolerance = 1e-10;

double entropy_of(std::span<const double> shares) {
  double bits = 0;
  for (const double share : shares) {
    if (share > 0) bits -= share * std::log2(share);
  }
  return bits;
}

double variation_of(std::span<const double> load) {
  if (load.size() < 2) return 0;
  const double mean = 1.0 / static_cast<double>(load.size());
  double squares = 0;
  for (const double share : load) squares += (share - mean) * (share - mean);
  return std::sqrt(squares / static_cast<double>(load.size() - 1)) / mean;
}

}  // namespace

void add_routing(PromptRouting& total, const PromptRouting& more) {
  if (total.layers.empty()) {
    total = more;
    for (LayerRouting& layer : total.layers) layer.routes.clear();
    return;
  }
  total.tokens += more.tokens;
  for (std::size_t layer = 0; layer < total.layers.size(); ++layer) {
    LayerRouting& sum = total.layers[layer];
    const LayerRouting& part = more.layers[layer];
    for (std::size_t expert = 0; expert < sum.chosen.size(); ++expert) {
      sum.chosen[expert] += part.chosen[expert];
      sum.mass[expert] += part.mass[expert];
    }
    sum.entropy += part.entropy;
  }
}

LayerMeasures measure_layer(const LayerRouting& routing, std::int64_t tokens, std::int64_t select, bool has_logits) {
  const std::size_t experts = routing.chosen.size();
  LayerMeasures measures;
  measures.load.assign(experts, 0);
  measures.importance.assign(experts, 0);
  if (has_logits) measures.gate_entropy = tokens > 0 ? routing.entropy / static_cast<double>(tokens) : 0;
  for (std::size_t expert = 0; expert < experts; ++expert) {
    if (routing.chosen[expert] == 0) measures.dead.push_back(static_cast<std::int64_t>(expert));
    if (tokens == 0) continue;
    measures.load[expert] =
        static_cast<double>(routing.chosen[expert]) / (static_cast<double>(tokens) * static_cast<double>(select));
    measures.importance[expert] = routing.mass[expert] / static_cast<double>(tokens);
  }
  if (tokens == 0) return measures;
  measures.load_entropy = entropy_of(measures.load);
  measures.max_over_mean = *std::max_element(measures.load.begin(), measures.load.end()) * static_cast<double>(experts);
  measures.variation = variation_of(measures.load);
  return measures;
}

std::vector<double> expected_together(std::span<const std::int64_t> chosen, std::int64_t select) {
  const std::size_t experts = chosen.size();
  std::vector<double> sums(experts);
  std::vector<double> factors(experts);
  for (std::size_t a = 0; a < experts; ++a) {
    sums[a] = static_cast<double>(chosen[a]) * static_cast<double>(select - 1);
    factors[a] = std::sqrt(sums[a]);
  }
  const double tolerance = kSweepTolerance * std::accumulate(sums.begin(), sums.end(), 0.0);
  for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
    double total = std::accumulate(factors.begin(), factors.end(), 0.0);
    double worst = 0;
    for (std::size_t a = 0; a < experts; ++a) {
      const double others = total - factors[a];
      worst = std::max(worst, std::fabs(factors[a] * others - sums[a]));
      const double fitted = others > 0 ? sums[a] / others : 0;
      total = others + fitted;
      factors[a] = fitted;
    }
    if (worst <= tolerance) break;
  }
  std::vector<double> expected(experts * experts, 0);
  for (std::size_t a = 0; a < experts; ++a) {
    for (std::size_t b = 0; b < experts; ++b) {
      if (a != b) expected[a * experts + b] = factors[a] * factors[b];
    }
  }
  return expected;
}

std::vector<std::optional<double>> co_selection_lift(std::span<const std::int64_t> together,
                                                     std::span<const std::int64_t> chosen, std::int64_t select) {
  const std::vector<double> expected = expected_together(chosen, select);
  std::vector<std::optional<double>> lift(expected.size());
  for (std::size_t pair = 0; pair < expected.size(); ++pair) {
    // The diagonal expects nothing.
    if (expected[pair] >= kLeastExpected) lift[pair] = static_cast<double>(together[pair]) / expected[pair];
  }
  return lift;
}

}  // namespace mathtrap

#include "harness/paired_statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <string_view>

namespace mathtrap {
namespace {

/// Normal quantiles of 0.975 and 0.80 together: two-sided 5% level, 80% power.
constexpr double kDetectable = 1.959963984540054 + 0.8416212335729143;

/// log of "n choose k".
double log_choose(double n, double k) {
  return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
}

double binomial_half(std::size_t n, std::size_t k) {
  const auto trials = static_cast<double>(n);
  return std::exp(log_choose(trials, static_cast<double>(k)) - trials * std::log(2.0));
}

/// P(X <= k) of n fair coins.
double lower_tail(std::size_t n, std::size_t k) {
  double sum = 0;
  for (std::size_t i = 0; i <= k; ++i) sum += binomial_half(n, i);
  return sum;
}

std::map<std::string_view, int> sums_by_cluster(std::span<const PairedOutcome> outcomes) {
  std::map<std::string_view, int> sums;
  for (const PairedOutcome& outcome : outcomes) {
    sums[outcome.cluster] += static_cast<int>(outcome.after) - static_cast<int>(outcome.before);
  }
  return sums;
}

/// Cluster-robust, with the small-sample factor G / (G - 1) (Liang and Zeger 1986; Cameron and Miller 2015).
double standard_error(std::span<const PairedOutcome> outcomes, double mean) {
  std::map<std::string_view, double> residuals;
  for (const PairedOutcome& outcome : outcomes) {
    residuals[outcome.cluster] += static_cast<double>(outcome.after) - static_cast<double>(outcome.before) - mean;
  }
  const auto clusters = static_cast<double>(residuals.size());
  if (clusters < 2) return 0;
  double squares = 0;
  for (const auto& [cluster, residual] : residuals) squares += residual * residual;
  return std::sqrt(squares * clusters / (clusters - 1)) / static_cast<double>(outcomes.size());
}

std::vector<Outcome> side(std::span<const PairedOutcome> outcomes, bool PairedOutcome::*which) {
  std::vector<Outcome> made;
  made.reserve(outcomes.size());
  for (const PairedOutcome& outcome : outcomes) made.push_back({outcome.cluster, outcome.*which});
  return made;
}

Interval difference_interval(const Proportion& before, const Proportion& after, double correlation) {
  const double difference = after.value - before.value;
  const auto reach = [&](double a, double b) {
    return std::sqrt(std::max(0.0, a * a - 2 * correlation * a * b + b * b));
  };
  return {std::max(-1.0, difference - reach(after.value - after.ci95.low, before.ci95.high - before.value)),
          std::min(1.0, difference + reach(after.ci95.high - after.value, before.value - before.ci95.low))};
}

}  // namespace

double mcnemar_exact_p(std::size_t gained, std::size_t lost) {
  const std::size_t changed = gained + lost;
  if (changed == 0) return 1;
  return std::min(1.0, 2 * lower_tail(changed, std::min(gained, lost)));
}

double mcnemar_mid_p(std::size_t gained, std::size_t lost) {
  const std::size_t changed = gained + lost;
  if (changed == 0 || gained == lost) return 1;
  const std::size_t fewer = std::min(gained, lost);
  return 2 * lower_tail(changed, fewer) - binomial_half(changed, fewer);
}

double sign_flip_p(std::span<const int> cluster_sums) {
  std::vector<int> sizes;
  int seen = 0;
  for (const int sum : cluster_sums) {
    seen += sum;
    if (sum != 0) sizes.push_back(std::abs(sum));
  }
  const int most = std::accumulate(sizes.begin(), sizes.end(), 0);
  if (most == 0) return 1;
  // probability[s + most]: that the flipped sum is s.
  std::vector<double> probability(static_cast<std::size_t>(2 * most) + 1);
  probability[static_cast<std::size_t>(most)] = 1;
  for (const int size : sizes) {
    std::vector<double> next(probability.size());
    const auto step = static_cast<std::size_t>(size);
    for (std::size_t i = 0; i < probability.size(); ++i) {
      if (probability[i] == 0) continue;
      next[i - step] += probability[i] / 2;
      next[i + step] += probability[i] / 2;
    }
    probability = std::move(next);
  }
  double p = 0;
  for (std::size_t i = 0; i < probability.size(); ++i) {
    if (std::abs(static_cast<int>(i) - most) >= std::abs(seen)) p += probability[i];
  }
  return std::min(1.0, p);
}

std::vector<double> holm_corrected(std::span<const double> p_values) {
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> corrected(p_values.size());
  double highest = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    highest = std::max(highest, p_values[order[rank]] * static_cast<double>(order.size() - rank));
    corrected[order[rank]] = std::min(1.0, highest);
  }
  return corrected;
}

double pass_at_k(std::size_t n, std::size_t correct, std::size_t k) {
  if (n - correct < k) return 1;
  double none = 1;
  for (std::size_t i = n - correct + 1; i <= n; ++i) none *= 1 - static_cast<double>(k) / static_cast<double>(i);
  return 1 - none;
}

PairedComparison compare_paired(std::span<const PairedOutcome> outcomes) {
  PairedComparison result;
  result.n = outcomes.size();
  if (outcomes.empty()) return result;
  const std::vector<Outcome> before = side(outcomes, &PairedOutcome::before);
  const std::vector<Outcome> after = side(outcomes, &PairedOutcome::after);
  const Proportion proportion_before = proportion_of(before);
  const Proportion proportion_after = proportion_of(after);
  result.clusters = proportion_before.clusters;
  result.before = proportion_before.value;
  result.after = proportion_after.value;
  result.difference = result.after - result.before;
  result.ci95 = difference_interval(proportion_before, proportion_after, cluster_correlation(before, after));
  for (const PairedOutcome& outcome : outcomes) {
    if (outcome.after && !outcome.before) ++result.gained;
    if (outcome.before && !outcome.after) ++result.lost;
  }
  result.mcnemar_p = mcnemar_exact_p(result.gained, result.lost);
  result.mcnemar_mid_p = mcnemar_mid_p(result.gained, result.lost);
  std::vector<int> sums;
  for (const auto& [cluster, sum] : sums_by_cluster(outcomes)) sums.push_back(sum);
  result.permutation_p = result.holm_p = sign_flip_p(sums);
  const double error = standard_error(outcomes, result.difference);
  if (error > 0) result.detectable = kDetectable * error;
  return result;
}

}  // namespace mathtrap

#include "harness/statistics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

namespace mathtrap {
namespace {

constexpr double kNormalQuantile = 1.959963984540054;  // of 0.975
/// Half a cluster in which all is right and half a one in which nothing is, see proportion_of. Measured over 105 worlds
/// of 20 to 100 clusters of up to 5 replies: without them intervals cover 90 to 98%, with one 94 to 99%; with two 94 to
/// 99.8%, and they are up to an eighth wider.
constexpr double kAddedClusters = 1;

/// Of one cluster.
struct Tally {
  double replies = 0;
  double successes = 0;
};

/// By cluster; ordered, so that sums do not depend on the order of the outcomes.
using Tallies = std::map<std::string_view, Tally>;
/// Per cluster, the sum of (success - mean).
using Residuals = std::map<std::string_view, double>;

Tallies tallies_of(std::span<const Outcome> outcomes) {
  Tallies tallies;
  for (const Outcome& outcome : outcomes) {
    Tally& tally = tallies[outcome.cluster];
    tally.replies += 1;
    tally.successes += outcome.success ? 1 : 0;
  }
  return tallies;
}

Residuals residuals_of(std::span<const Outcome> outcomes, double mean) {
  Residuals residuals;
  for (const auto& [cluster, tally] : tallies_of(outcomes)) residuals[cluster] = tally.successes - tally.replies * mean;
  return residuals;
}

double square(double x) {
  return x * x;
}

double sum_of_squares(const Residuals& residuals) {
  double sum = 0;
  for (const auto& [cluster, residual] : residuals) sum += square(residual);
  return sum;
}

/// Liang and Zeger (1986), with the small-sample factor G / (G - 1) of G clusters.
double robust_error(const Residuals& residuals, double n) {
  const auto clusters = static_cast<double>(residuals.size());
  return clusters < 2 ? 0 : std::sqrt(sum_of_squares(residuals) * clusters / (clusters - 1)) / n;
}

/// n / deff, see proportion_of.
double effective_size(const Tallies& tallies, double n, double successes) {
  const auto clusters = static_cast<double>(tallies.size());
  if (clusters == n) return n;
  double sizes_squared = 0;
  for (const auto& [cluster, tally] : tallies) sizes_squared += square(tally.replies);
  const double size = sizes_squared / n;  // of the cluster that a reply finds itself in
  const double weight = kAddedClusters / 2;
  const double all = n + kAddedClusters * size;
  const double mean = (successes + weight * size) / all;
  double squares = weight * (square(size * (1 - mean)) + square(size * mean));
  for (const auto& [cluster, tally] : tallies) squares += square(tally.successes - tally.replies * mean);
  const double factor = (clusters + kAddedClusters) / (clusters + kAddedClusters - 1);
  const double design_effect = squares * factor / (all * mean * (1 - mean));
  return n / std::clamp(design_effect, 1.0, size);
}

/// Between the two means, over the clusters that both have.
double correlation(const Residuals& a, const Residuals& b) {
  const double scale = std::sqrt(sum_of_squares(a) * sum_of_squares(b));
  if (scale <= 0) return 0;
  double product = 0;
  for (const auto& [cluster, residual] : a) {
    const auto found = b.find(cluster);
    if (found != b.end()) product += residual * found->second;
  }
  return std::clamp(product / scale, -1.0, 1.0);
}

}  // namespace

Interval wilson_interval(double proportion, double n) {
  if (n <= 0) return {0, 1};
  const double z2 = kNormalQuantile * kNormalQuantile;
  const double centre = (proportion + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kNormalQuantile / (1 + z2 / n) * std::sqrt(proportion * (1 - proportion) / n + z2 / (4 * n * n));
  // At 0 and 1 the limits are these exactly; rounding must not move them.
  return {proportion <= 0 ? 0 : std::max(0.0, centre - half), proportion >= 1 ? 1 : std::min(1.0, centre + half)};
}

Proportion proportion_of(std::span<const Outcome> outcomes) {
  Proportion result;
  result.n = outcomes.size();
  result.successes = static_cast<std::size_t>(
      std::count_if(outcomes.begin(), outcomes.end(), [](const auto& o) { return o.success; }));
  if (result.n == 0) {
    result.ci95 = wilson_interval(0, 0);
    return result;
  }
  const auto n = static_cast<double>(result.n);
  result.value = static_cast<double>(result.successes) / n;
  const Tallies tallies = tallies_of(outcomes);
  result.clusters = tallies.size();
  result.standard_error = robust_error(residuals_of(outcomes, result.value), n);
  result.effective_n = effective_size(tallies, n, static_cast<double>(result.successes));
  result.ci95 = wilson_interval(result.value, result.effective_n);
  return result;
}

double cluster_correlation(std::span<const Outcome> a, std::span<const Outcome> b) {
  return correlation(residuals_of(a, proportion_of(a).value), residuals_of(b, proportion_of(b).value));
}

std::optional<Ratio> ratio_of(std::span<const Outcome> numerator, std::span<const Outcome> denominator) {
  const Proportion a = proportion_of(numerator);
  const Proportion b = proportion_of(denominator);
  if (a.n == 0 || b.successes == 0) return std::nullopt;
  const double r = cluster_correlation(numerator, denominator);
  const auto limit = [&](double a_limit, double b_limit, double sign) -> std::optional<double> {
    const double scale = b_limit * (2 * b.value - b_limit);
    if (scale <= 0) return std::nullopt;
    const double middle = a.value * b.value - r * (a.value - a_limit) * (b_limit - b.value);
    const double square = middle * middle - a_limit * (2 * a.value - a_limit) * scale;
    return std::max(0.0, (middle + sign * std::sqrt(std::max(0.0, square))) / scale);
  };
  return Ratio{a.value / b.value, limit(a.ci95.low, b.ci95.high, -1).value_or(0.0), limit(a.ci95.high, b.ci95.low, +1)};
}

}  // namespace mathtrap

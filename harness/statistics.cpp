#include "harness/statistics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

namespace mathtrap {
namespace {

constexpr double kNormalQuantile = 1.959963984540054;  // of 0.975

/// Per cluster, the sum of (success - mean).
using Residuals = std::map<std::string_view, double>;

Residuals residuals_of(std::span<const Outcome> outcomes, double mean) {
  Residuals residuals;
  for (const Outcome& outcome : outcomes) residuals[outcome.cluster] += (outcome.success ? 1.0 : 0.0) - mean;
  return residuals;
}

double sum_of_squares(const Residuals& residuals) {
  double sum = 0;
  for (const auto& [cluster, residual] : residuals) sum += residual * residual;
  return sum;
}

double effective_size(const Residuals& residuals, double n, double mean) {
  const auto clusters = static_cast<double>(residuals.size());
  if (clusters == n) return n;
  const double independent = mean * (1 - mean) * n;
  if (independent <= 0 || clusters < 2) return clusters;
  const double design_effect = sum_of_squares(residuals) * clusters / (clusters - 1) / independent;
  return n / std::max(1.0, design_effect);
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
  const Residuals residuals = residuals_of(outcomes, result.value);
  result.clusters = residuals.size();
  result.effective_n = effective_size(residuals, n, result.value);
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

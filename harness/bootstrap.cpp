#include "harness/bootstrap.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "support/random.h"

namespace mathtrap {
namespace {

constexpr double kTail = 0.025;

struct Sums {
  double successes_above = 0;
  double replies_above = 0;
  double successes_below = 0;
  double replies_below = 0;
};

void add(Sums& total, const Sums& more) {
  total.successes_above += more.successes_above;
  total.replies_above += more.replies_above;
  total.successes_below += more.successes_below;
  total.replies_below += more.replies_below;
}

std::vector<Sums> sums_by_cluster(std::span<const Outcome> numerator, std::span<const Outcome> denominator) {
  std::map<std::string_view, Sums> by_name;
  for (const Outcome& outcome : numerator) add(by_name[outcome.cluster], {outcome.success ? 1.0 : 0.0, 1, 0, 0});
  for (const Outcome& outcome : denominator) add(by_name[outcome.cluster], {0, 0, outcome.success ? 1.0 : 0.0, 1});
  std::vector<Sums> clusters;
  clusters.reserve(by_name.size());
  for (const auto& [name, sums] : by_name) clusters.push_back(sums);
  return clusters;
}

Sums draw_resample(std::span<const Sums> clusters, Random& random) {
  Sums total;
  const auto last = static_cast<std::int64_t>(clusters.size()) - 1;
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    add(total, clusters[static_cast<std::size_t>(random.uniform_int(0, last))]);
  }
  return total;
}

}  // namespace

BootstrapInterval bootstrap_ratio(std::span<const Outcome> numerator, std::span<const Outcome> denominator,
                                  std::uint64_t seed, std::size_t resamples) {
  const std::vector<Sums> clusters = sums_by_cluster(numerator, denominator);
  Random random(seed, "cluster bootstrap");
  std::vector<double> values;
  values.reserve(resamples);
  for (std::size_t i = 0; i < resamples && !clusters.empty(); ++i) {
    const Sums total = draw_resample(clusters, random);
    if (total.replies_above == 0 || total.successes_below == 0) continue;
    values.push_back(total.successes_above / total.replies_above / (total.successes_below / total.replies_below));
  }
  BootstrapInterval interval;
  interval.resamples = resamples;
  interval.without_value = resamples - values.size();
  const auto tail = static_cast<std::size_t>(kTail * static_cast<double>(resamples));
  if (interval.without_value > tail || values.empty()) return interval;
  std::sort(values.begin(), values.end());
  const std::size_t beyond = tail - interval.without_value;
  interval.low = values[beyond];
  interval.high = values[values.size() - 1 - beyond];
  return interval;
}

}  // namespace mathtrap

// Intervals, against values computed by statsmodels and numpy from the definitions.
#include <fmt/format.h>

#include <vector>

#include "harness/statistics.h"
#include "support/random.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

/// One outcome per letter: '1' is a success; clusters are named by their number.
std::vector<Outcome> outcomes(const std::string& successes, const std::vector<int>& clusters) {
  std::vector<Outcome> made;
  made.reserve(successes.size());
  for (std::size_t i = 0; i < successes.size(); ++i)
    made.push_back({std::to_string(clusters.at(i)), successes[i] == '1'});
  return made;
}

/// `successes` of `n`, each in a cluster of its own.
std::vector<Outcome> single_outcomes(int successes, int n, int first_success = 0) {
  std::vector<Outcome> made;
  made.reserve(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    made.push_back({std::to_string(i), i >= first_success && i < first_success + successes});
  }
  return made;
}

void check_interval(const Interval& interval, double low, double high) {
  CHECK(interval.low == Approx(low).margin(1e-12));
  CHECK(interval.high == Approx(high).margin(1e-12));
}

}  // namespace

TEST_CASE("Wilson intervals as statsmodels computes them") {
  check_interval(wilson_interval(0.5, 20), 0.2992980081982123, 0.7007019918017877);
  check_interval(wilson_interval(0, 10), 0, 0.27753279986288926);
  check_interval(wilson_interval(1, 10), 0.7224672001371106, 1);
  check_interval(wilson_interval(1.0 / 500, 500), 0.00035313639455927543, 0.01124070670514676);
  check_interval(wilson_interval(33.0 / 104, 104), 0.23573153670953134, 0.41189934277271073);
  check_interval(wilson_interval(0, 0), 0, 1);
}

TEST_CASE("replies in clusters of one give the plain Wilson interval") {
  const Proportion proportion = proportion_of(single_outcomes(487, 500));
  CHECK(proportion.n == 500);
  CHECK(proportion.successes == 487);
  CHECK(proportion.clusters == 500);
  CHECK(proportion.effective_n == 500);
  check_interval(proportion.ci95, 0.9560285091657758, 0.9847436160766728);
}

TEST_CASE("replies that hang together count as fewer") {
  // statsmodels: OLS on a constant, cov_type="cluster": p (1 - p) / bse^2 = 25/6.
  const Proportion proportion = proportion_of(outcomes("1110010001", {0, 0, 0, 1, 1, 2, 2, 2, 2, 3}));
  CHECK(proportion.clusters == 4);
  CHECK(proportion.effective_n == Approx(25.0 / 6));
  check_interval(proportion.ci95, 0.15369986536450658, 0.8463001346354935);
  // All alike: as many as there are clusters.
  CHECK(proportion_of(outcomes("000000", {0, 0, 0, 1, 1, 1})).effective_n == 2);
  // Less alike than chance would have it: never more than there are.
  CHECK(proportion_of(outcomes("101010", {0, 0, 1, 1, 2, 2})).effective_n == 6);
}

TEST_CASE("no replies are no proportion") {
  const Proportion proportion = proportion_of({});
  CHECK(proportion.n == 0);
  check_interval(proportion.ci95, 0, 1);
}

TEST_CASE("ratios as numpy computes them from the formula") {
  const auto traps = outcomes("1110010001", {0, 0, 0, 1, 1, 2, 2, 2, 2, 3});
  const auto originals = outcomes("10111", {0, 1, 2, 3, 4});
  const auto ratio = ratio_of(traps, originals);
  REQUIRE(ratio);
  CHECK(ratio->value == Approx(0.625));
  CHECK(ratio->low == Approx(0.21347910409881532));
  CHECK(ratio->high.value() == Approx(1.1586776158145626));

  const auto large = ratio_of(single_outcomes(35, 500), single_outcomes(490, 500));
  REQUIRE(large);
  CHECK(large->low == Approx(0.051808621862913455));
  CHECK(large->high.value() == Approx(0.09773898734153194));
}

TEST_CASE("a ratio of 0 still has an upper limit, one over 0 has no value") {
  const auto zero = ratio_of(single_outcomes(0, 5), outcomes("10111", {0, 1, 2, 3, 4}));
  REQUIRE(zero);
  CHECK(zero->value == 0);
  CHECK(zero->low == 0);
  CHECK(zero->high.value() == Approx(0.640728444097249));
  CHECK_FALSE(ratio_of(single_outcomes(3, 5), single_outcomes(0, 5)));
  CHECK_FALSE(ratio_of({}, single_outcomes(5, 5)));
  CHECK_FALSE(ratio_of(single_outcomes(5, 5), {}));
}

TEST_CASE("the interval of a ratio covers the truth about as often as it says") {
  // 60 originals with two traps each; a cluster that is hard makes all of its replies fail more often.
  Random random(11);
  int covered = 0;
  int counted = 0;
  constexpr int kRuns = 2000;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<Outcome> traps;
    std::vector<Outcome> originals;
    for (int cluster = 0; cluster < 60; ++cluster) {
      const bool hard = random.uniform() < 0.5;
      const std::string name = std::to_string(cluster);
      originals.push_back({name, random.uniform() < (hard ? 0.7 : 0.9)});
      for (int i = 0; i < 2; ++i) traps.push_back({name, random.uniform() < (hard ? 0.1 : 0.5)});
    }
    const auto ratio = ratio_of(traps, originals);
    if (!ratio) continue;
    ++counted;
    constexpr double kTruth = 0.3 / 0.8;
    covered += static_cast<int>(ratio->low <= kTruth && (!ratio->high || kTruth <= *ratio->high));
  }
  CHECK(counted == kRuns);
  CHECK(covered > kRuns * 0.93);
  CHECK(covered < kRuns * 0.97);
}

// Intervals, against values computed by statsmodels and numpy from the definitions.
#include <fmt/format.h>

#include <vector>

#include "harness/statistics.h"
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
  // numpy: the design effect of the ten replies with half a cluster of three right and half a one of three wrong ones.
  const Proportion proportion = proportion_of(outcomes("1110010001", {0, 0, 0, 1, 1, 2, 2, 2, 2, 3}));
  CHECK(proportion.clusters == 4);
  CHECK(proportion.effective_n == Approx(3.8518518518518525));
  check_interval(proportion.ci95, 0.1466855009180541, 0.8533144990819459);
  // All alike: as many as there are clusters.
  CHECK(proportion_of(outcomes("000000", {0, 0, 0, 1, 1, 1})).effective_n == 2);
  // One success in a cluster of failures says little about how alike replies are.
  CHECK(proportion_of(outcomes("000001", {0, 0, 0, 1, 1, 1})).effective_n == Approx(2.113821138211382));
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
  CHECK(ratio->low == Approx(0.20385625693358644));
  CHECK(ratio->high.value() == Approx(1.161667772310002));

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

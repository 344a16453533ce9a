// The cluster bootstrap: the same numbers from the same seed, and what happens where there is no ratio.
#include <algorithm>
#include <vector>

#include "harness/bootstrap.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

/// `each` replies in each of `clusters` clusters; the first `solved` clusters are all right.
std::vector<Outcome> outcomes(int clusters, int each, int solved) {
  std::vector<Outcome> made;
  for (int c = 0; c < clusters; ++c) {
    for (int i = 0; i < each; ++i) made.push_back({std::to_string(c), c < solved});
  }
  return made;
}

}  // namespace

TEST_CASE("a seed gives one interval, whatever the order of the outcomes; another seed another") {
  const auto originals = outcomes(30, 1, 22);
  auto traps = outcomes(30, 3, 9);
  const BootstrapInterval interval = bootstrap_ratio(traps, originals, 7);
  CHECK(interval.resamples == kBootstrapResamples);
  CHECK(interval.low > 0);
  CHECK(interval.low < 9.0 / 22);
  CHECK(interval.high.value() > 9.0 / 22);
  std::reverse(traps.begin(), traps.end());
  const BootstrapInterval again = bootstrap_ratio(traps, originals, 7);
  CHECK(again.low == interval.low);
  CHECK(again.high == interval.high);
  const BootstrapInterval other = bootstrap_ratio(traps, originals, 8);
  CHECK((other.low != interval.low || other.high != interval.high));
}

TEST_CASE("clusters are drawn whole: more replies of the same clusters tell no more") {
  const auto originals = outcomes(30, 1, 30);
  const BootstrapInterval one = bootstrap_ratio(outcomes(30, 1, 9), originals, 3);
  const BootstrapInterval ten = bootstrap_ratio(outcomes(30, 10, 9), originals, 3);
  CHECK(ten.low == Approx(one.low));
  CHECK(ten.high.value() == Approx(one.high.value()));
}

TEST_CASE("resamples without a ratio count against both limits") {
  // One original of three is solved: (2/3)^3 of the resamples have none.
  const BootstrapInterval rare = bootstrap_ratio(outcomes(3, 1, 1), outcomes(3, 1, 1), 3);
  CHECK(static_cast<double>(rare.without_value) == Approx(kBootstrapResamples * 8.0 / 27).epsilon(0.1));
  CHECK(rare.low == 0);
  CHECK_FALSE(rare.high);
  const BootstrapInterval never = bootstrap_ratio(outcomes(3, 1, 1), outcomes(3, 1, 0), 3);
  CHECK(never.without_value == kBootstrapResamples);
  CHECK_FALSE(never.high);
  CHECK_FALSE(bootstrap_ratio({}, {}, 3).high);
}

TEST_CASE("without a success in the numerator the bootstrap knows no spread") {
  const BootstrapInterval none = bootstrap_ratio(outcomes(10, 2, 0), outcomes(10, 1, 8), 3);
  CHECK(none.low == 0);
  CHECK(none.high.value() == 0);
}

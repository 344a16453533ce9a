// Paired comparisons: against closed forms, enumeration and simulation.
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "harness/comparison.h"
#include "harness/paired_statistics.h"
#include "harness/run_store.h"
#include "support/error.h"
#include "support/random.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

/// p of the sign-flip test by going through all flips.
double enumerated_p(const std::vector<int>& sums) {
  int seen = 0;
  for (const int sum : sums) seen += sum;
  int as_far = 0;
  for (unsigned flips = 0; flips < (1U << sums.size()); ++flips) {
    int total = 0;
    for (std::size_t i = 0; i < sums.size(); ++i) total += (flips >> i & 1U) != 0 ? sums[i] : -sums[i];
    as_far += std::abs(total) >= std::abs(seen) ? 1 : 0;
  }
  return as_far / std::pow(2.0, static_cast<double>(sums.size()));
}

/// Chance that one of k replies drawn from n without putting back is right, by going through all choices.
double enumerated_pass(unsigned n, unsigned correct, unsigned k) {
  int all = 0;
  int passed = 0;
  for (unsigned choice = 0; choice < (1U << n); ++choice) {
    if (static_cast<unsigned>(__builtin_popcount(choice)) != k) continue;
    ++all;
    passed += (choice & ((1U << correct) - 1)) != 0 ? 1 : 0;
  }
  return static_cast<double>(passed) / all;
}

struct World {
  int clusters;
  int replies;          ///< of each cluster
  double before;        ///< accuracy
  double after;         ///< accuracy
  double shared = 0.5;  ///< part of a reply's luck that its cluster decides
};

/// Two conditions on the same questions, whose luck hangs together within a cluster and between the conditions.
std::vector<PairedOutcome> draw(const World& world, Random& random) {
  std::vector<PairedOutcome> outcomes;
  for (int c = 0; c < world.clusters; ++c) {
    const double cluster_luck = random.normal();
    for (int i = 0; i < world.replies; ++i) {
      const auto luck = [&] {
        const double z = std::sqrt(world.shared) * cluster_luck + std::sqrt(1 - world.shared) * random.normal();
        return 0.5 * std::erfc(-z / std::sqrt(2.0));  // uniform
      };
      outcomes.push_back({std::to_string(c), luck() < world.before, luck() < world.after});
    }
  }
  return outcomes;
}

Sample sample(const std::string& record, Arm arm, const std::string& intervention, Verdict verdict, int epoch = 0) {
  Sample made;
  made.id =
      fmt::format("{}/{}/{}{}", record, to_string(arm), intervention, epoch == 0 ? "" : fmt::format("#{}", epoch + 1));
  made.arm = arm;
  made.intervention = intervention;
  made.cluster = record;
  made.verdict = verdict;
  made.epoch = epoch;
  return made;
}

}  // namespace

TEST_CASE("McNemar's exact p is a sum of binomials") {
  CHECK(mcnemar_exact_p(0, 0) == 1);
  CHECK(mcnemar_exact_p(5, 5) == 1);
  CHECK(mcnemar_exact_p(0, 5) == Approx(2.0 / 32));
  CHECK(mcnemar_exact_p(1, 5) == Approx(2.0 * 7 / 64));
  CHECK(mcnemar_exact_p(8, 2) == Approx(2.0 * (1 + 10 + 45) / 1024));
  CHECK(mcnemar_exact_p(8, 2) == mcnemar_exact_p(2, 8));
  CHECK(mcnemar_mid_p(0, 5) == Approx(1.0 / 32));
  CHECK(mcnemar_mid_p(8, 2) == Approx((2.0 * (1 + 10 + 45) - 45) / 1024));
  CHECK(mcnemar_exact_p(600, 500) > 0);
  CHECK(mcnemar_exact_p(600, 500) < 0.01);
}

TEST_CASE("the sign-flip test equals the enumeration of all flips") {
  Random random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<int> sums(static_cast<std::size_t>(random.uniform_int(1, 12)));
    for (int& sum : sums) sum = static_cast<int>(random.uniform_int(-3, 4));
    INFO(round);
    CHECK(sign_flip_p(sums) == Approx(enumerated_p(sums)));
  }
  CHECK(sign_flip_p(std::vector<int>{}) == 1);
  CHECK(sign_flip_p(std::vector<int>{0, 0}) == 1);
}

TEST_CASE("with one question a cluster the sign-flip test is McNemar's") {
  std::vector<int> sums(12, 1);
  sums.insert(sums.end(), 5, -1);
  sums.insert(sums.end(), 40, 0);
  CHECK(sign_flip_p(sums) == Approx(mcnemar_exact_p(12, 5)));
}

TEST_CASE("Holm's correction, worked by hand") {
  const std::vector<double> p_values = {0.01, 0.04, 0.03, 0.005};
  const std::vector<double> corrected = holm_corrected(p_values);
  CHECK(corrected[3] == Approx(0.02));
  CHECK(corrected[0] == Approx(0.03));
  CHECK(corrected[2] == Approx(0.06));
  CHECK(corrected[1] == Approx(0.06));  // 0.04, but not below the one before it
  CHECK(holm_corrected(std::vector<double>{0.6, 0.9})[1] == 1);
  CHECK(holm_corrected(std::vector<double>{}).empty());
}

TEST_CASE("pass@k equals the enumeration of all choices") {
  for (unsigned n = 1; n <= 8; ++n) {
    for (unsigned correct = 0; correct <= n; ++correct) {
      for (unsigned k = 1; k <= n; ++k) CHECK(pass_at_k(n, correct, k) == Approx(enumerated_pass(n, correct, k)));
    }
  }
}

TEST_CASE("95% intervals of differences cover the truth in 93 to 97 of 100 simulations") {
  Random random(11);
  for (const World& world : {World{60, 1, 0.3, 0.5}, World{60, 4, 0.3, 0.5}, World{100, 3, 0.7, 0.75},
                             World{40, 5, 0.5, 0.5, 0.2}, World{150, 2, 0.2, 0.4, 0.8}}) {
    constexpr int kRuns = 4000;
    int covered = 0;
    for (int run = 0; run < kRuns; ++run) {
      const Interval ci95 = compare_paired(draw(world, random)).ci95;
      const double truth = world.after - world.before;
      covered += ci95.low <= truth && truth <= ci95.high ? 1 : 0;
    }
    INFO(world.clusters << " clusters of " << world.replies << ": " << covered);
    CHECK(covered >= 0.93 * kRuns);
    CHECK(covered <= 0.97 * kRuns);
  }
}

TEST_CASE("95% intervals of accuracies cover the truth in 93 to 97 of 100 simulations") {
  Random random(12);
  for (const World& world : {World{100, 1, 0.3, 0.3}, World{60, 4, 0.3, 0.3}, World{100, 3, 0.75, 0.75},
                             World{50, 5, 0.5, 0.5, 0.2}, World{150, 2, 0.15, 0.15, 0.8}}) {
    constexpr int kRuns = 4000;
    int covered = 0;
    for (int run = 0; run < kRuns; ++run) {
      std::vector<Outcome> outcomes;
      for (const PairedOutcome& outcome : draw(world, random)) outcomes.push_back({outcome.cluster, outcome.before});
      const Interval ci95 = proportion_of(outcomes).ci95;
      covered += ci95.low <= world.before && world.before <= ci95.high ? 1 : 0;
    }
    INFO(world.clusters << " clusters of " << world.replies << ": " << covered);
    CHECK(covered >= 0.93 * kRuns);
    CHECK(covered <= 0.97 * kRuns);
  }
}

TEST_CASE("the sign-flip test errs in at most 5 of 100 simulations without a difference, also in clusters") {
  Random random(13);
  for (const World& world : {World{40, 1, 0.4, 0.4}, World{40, 5, 0.4, 0.4}, World{80, 3, 0.1, 0.1, 0.8}}) {
    constexpr int kRuns = 4000;
    int errors = 0;
    for (int run = 0; run < kRuns; ++run) errors += compare_paired(draw(world, random)).permutation_p <= 0.05 ? 1 : 0;
    INFO(errors);
    CHECK(errors <= 0.05 * kRuns + 2 * std::sqrt(0.05 * 0.95 * kRuns));
  }
}

TEST_CASE("the detectable difference is one that is found in about 80 of 100 simulations") {
  Random random(14);
  const World none{100, 2, 0.4, 0.4};
  double detectable = 0;
  for (int run = 0; run < 200; ++run) detectable += compare_paired(draw(none, random)).detectable.value() / 200;
  const World there{100, 2, 0.4, 0.4 + detectable};
  constexpr int kRuns = 2000;
  int found = 0;
  for (int run = 0; run < kRuns; ++run) found += compare_paired(draw(there, random)).permutation_p <= 0.05 ? 1 : 0;
  INFO(detectable << ": " << found);
  CHECK(found >= 0.72 * kRuns);
  CHECK(found <= 0.88 * kRuns);
  CHECK_FALSE(compare_paired(std::vector<PairedOutcome>{{"a", true, true}, {"b", false, false}}).detectable);
}

TEST_CASE("interventions are compared with the first one, arm by arm, on the questions that both have") {
  std::vector<Sample> samples;
  for (int i = 0; i < 8; ++i) {
    const std::string record = fmt::format("r/{}", i);
    samples.push_back(sample(record, Arm::trap, "none", Verdict::answered));
    samples.push_back(sample(record, Arm::trap, "hint", i < 6 ? Verdict::flaw_named : Verdict::refused));
    samples.push_back(sample(record, Arm::original, "none", Verdict::correct));
    samples.push_back(sample(record, Arm::original, "hint", i == 0 ? Verdict::no_answer : Verdict::correct));
  }
  const auto rows = compare_interventions(samples);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].arm == Arm::trap);
  CHECK(rows[0].paired.n == 8);
  CHECK(rows[0].paired.gained == 6);
  CHECK(rows[0].paired.lost == 0);
  CHECK(rows[0].paired.difference == Approx(0.75));
  CHECK(rows[0].paired.permutation_p == Approx(2.0 / 64));
  CHECK(rows[0].paired.holm_p == Approx(4.0 / 64));
  CHECK(rows[1].paired.lost == 1);
  REQUIRE(rows[1].changed.size() == 1);
  CHECK(rows[1].changed[0].id == "r/0/original");
  CHECK(rows[1].changed[0].after == Verdict::no_answer);
  CHECK(compare_interventions(std::vector<Sample>(samples.begin(), samples.begin() + 1)).empty());
}

TEST_CASE("runs are paired by question, and runs on other data are refused") {
  StoredRun before;
  StoredRun after;
  before.run = {{"dataset", {{"sha256", "x"}}}};
  after.run = before.run;
  for (int i = 0; i < 5; ++i) {
    const std::string record = fmt::format("r{}", i);
    before.samples.push_back(sample(record, Arm::trap, "none", Verdict::answered));
    if (i > 0) after.samples.push_back(sample(record, Arm::trap, "none", Verdict::flaw_named));
  }
  const RunComparison comparison = compare_runs(before, after, false);
  REQUIRE(comparison.rows.size() == 1);
  CHECK(comparison.rows[0].paired.n == 4);
  CHECK(comparison.rows[0].paired.gained == 4);
  CHECK(comparison.only_before == 1);
  CHECK(comparison.only_after == 0);
  after.run = {{"dataset", {{"sha256", "y"}}}};
  CHECK_THROWS_AS(compare_runs(before, after, false), Error);
  CHECK(compare_runs(before, after, true).rows.size() == 1);
  after.samples = {sample("other", Arm::trap, "none", Verdict::answered)};
  CHECK_THROWS_AS(compare_runs(before, after, true), Error);
}

TEST_CASE("several epochs give the mean, the majority and pass@k of the same questions") {
  std::vector<Sample> samples;
  for (int epoch = 0; epoch < 4; ++epoch) {
    samples.push_back(sample("a", Arm::original, "none", epoch < 3 ? Verdict::correct : Verdict::incorrect, epoch));
    samples.push_back(sample("b", Arm::original, "none", epoch == 2 ? Verdict::correct : Verdict::incorrect, epoch));
  }
  const Results results = summarise("m", "d", samples);
  CHECK(results.groups.at(0).accuracy.n == 8);
  CHECK(results.groups.at(0).accuracy.clusters == 2);
  REQUIRE(results.epochs.size() == 1);
  const EpochResults& epochs = results.epochs[0];
  CHECK(epochs.epochs == 4);
  CHECK(epochs.majority.n == 2);
  CHECK(epochs.majority.successes == 1);
  CHECK(epochs.pass_at.at(1) == Approx(0.5));
  CHECK(epochs.pass_at.at(2) == Approx((1 + 0.5) / 2));
  CHECK(epochs.pass_at.at(4) == 1);
  CHECK(epochs.mean.n == 8);
  CHECK(epochs.mean.value == Approx(0.5));
  // A request that failed is no wrong reply: of b one of three tries is right.
  samples[1].verdict = Verdict::failed;
  const EpochResults failed = summarise("m", "d", samples).epochs.at(0);
  CHECK(failed.mean.n == 7);
  CHECK(failed.pass_at.at(1) == Approx((0.75 + 1.0 / 3) / 2));
  CHECK(failed.pass_at.at(4) == 1);
  CHECK(write_sample(parse_sample(write_sample(samples[6]), {})) == write_sample(samples[6]));
}

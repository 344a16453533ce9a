// How often 95% intervals cover the truth, in simulated worlds where replies of one original hang together.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "harness/bootstrap.h"
#include "harness/composition.h"
#include "harness/statistics.h"
#include "support/random.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

struct World {
  int clusters;
  int traps;    ///< of each cluster; with `uneven` every fourth has twice as many and one more, every fourth one
  double trap;  ///< accuracy
  double original = 0.8;  ///< accuracy; each cluster has one
  double shared = 0.5;    ///< part of a reply's luck that its cluster decides
  bool uneven = false;
};

struct Draw {
  std::vector<Outcome> traps;
  std::vector<Outcome> originals;
};

int traps_of(const World& world, int cluster) {
  if (!world.uneven || cluster % 4 > 1) return world.traps;
  return cluster % 4 == 0 ? 2 * world.traps + 1 : 1;
}

Draw draw(const World& world, Random& random) {
  Draw made;
  for (int c = 0; c < world.clusters; ++c) {
    const double cluster_luck = random.normal();
    const auto luck = [&] {
      const double z = std::sqrt(world.shared) * cluster_luck + std::sqrt(1 - world.shared) * random.normal();
      return 0.5 * std::erfc(-z / std::sqrt(2.0));  // uniform
    };
    const std::string name = std::to_string(c);
    made.originals.push_back({name, luck() < world.original});
    for (int i = 0; i < traps_of(world, c); ++i) made.traps.push_back({name, luck() < world.trap});
  }
  return made;
}

bool holds(double low, std::optional<double> high, double truth) {
  return low <= truth && (!high || truth <= *high);
}

/// Of 100 draws, in how many `covers` says yes.
double coverage(const World& world, int runs, const std::function<bool(const Draw&)>& covers) {
  Random random(21);
  int covered = 0;
  for (int run = 0; run < runs; ++run) covered += covers(draw(world, random)) ? 1 : 0;
  return 100.0 * covered / runs;
}

std::string name_of(const World& world) {
  return fmt::format("{} clusters of {}{}, trap {}, original {}, shared {}", world.clusters, world.traps,
                     world.uneven ? " on average" : "", world.trap, world.original, world.shared);
}

double accuracy_coverage(const World& world) {
  return coverage(world, 3000, [&](const Draw& drawn) {
    const Interval ci95 = proportion_of(drawn.traps).ci95;
    return holds(ci95.low, ci95.high, world.trap);
  });
}

}  // namespace

TEST_CASE("intervals of accuracies cover 93 to 97% with few originals of strongly correlated variants") {
  for (const World& world :
       {World{20, 5, 0.3}, World{20, 5, 0.3, 0.8, 0.8}, World{20, 3, 0.5, 0.8, 0.8}, World{40, 5, 0.1, 0.8, 0.8},
        World{40, 5, 0.9, 0.8, 0.8}, World{40, 3, 0.1, 0.8, 0.8}, World{100, 5, 0.1, 0.8, 0.8},
        World{100, 3, 0.95, 0.8, 0.8}, World{40, 2, 0.2, 0.8, 0.8, true}, World{40, 2, 0.5, 0.8, 0.5, true},
        World{100, 2, 0.1, 0.8, 0.8, true}}) {
    const double covered = accuracy_coverage(world);
    INFO(name_of(world));
    CHECK(covered >= 93);
    CHECK(covered <= 97);
  }
}

TEST_CASE("where successes are rare intervals of accuracies are too wide rather than too narrow") {
  for (const World& world :
       {World{40, 5, 0.03, 0.8, 0.8}, World{20, 5, 0.1, 0.8, 0.8}, World{20, 5, 0.9, 0.8, 0.5},
        World{40, 5, 0.03, 0.8, 0.0}, World{20, 5, 0.1, 0.8, 0.0}, World{20, 2, 0.1, 0.8, 0.8, true},
        World{40, 2, 0.05, 0.8, 0.8, true}, World{100, 5, 0.03, 0.8, 0.8}, World{100, 3, 0.97, 0.8, 0.8}}) {
    const double covered = accuracy_coverage(world);
    INFO(name_of(world));
    CHECK(covered >= 93);
    CHECK(covered <= 99.5);
  }
}

TEST_CASE("the interval of a ratio covers 93 to 97%, that of the cluster bootstrap less") {
  for (const World& world : {World{60, 2, 0.3}, World{100, 3, 0.4, 0.8, 0.8}, World{100, 1, 0.1, 0.97},
                             World{40, 3, 0.1, 0.8, 0.8}, World{40, 3, 0.4, 0.8}, World{40, 2, 0.4, 0.8, 0.5, true}}) {
    const double truth = world.trap / world.original;
    double by_bootstrap = 0;
    const double by_mover = coverage(world, 1000, [&](const Draw& drawn) {
      const auto ratio = ratio_of(drawn.traps, drawn.originals);
      const BootstrapInterval bootstrap = bootstrap_ratio(drawn.traps, drawn.originals, 5, 500);
      by_bootstrap += holds(bootstrap.low, bootstrap.high, truth) ? 0.1 : 0;
      return ratio && holds(ratio->low, ratio->high, truth);
    });
    INFO(name_of(world));
    CHECK(by_mover >= 93);
    CHECK(by_mover <= 97);
    CHECK(by_bootstrap >= 89);
    CHECK(by_bootstrap <= by_mover + 1);
  }
}

TEST_CASE("where successes are rare the interval of a ratio still covers, and the bootstrap's does not") {
  const World world{20, 1, 0.03};
  double by_bootstrap = 0;
  const double by_mover = coverage(world, 1000, [&](const Draw& drawn) {
    const auto ratio = ratio_of(drawn.traps, drawn.originals);
    const BootstrapInterval bootstrap = bootstrap_ratio(drawn.traps, drawn.originals, 5, 500);
    by_bootstrap += holds(bootstrap.low, bootstrap.high, 0.03 / 0.8) ? 0.1 : 0;
    return ratio && holds(ratio->low, ratio->high, 0.03 / 0.8);
  });
  CHECK(by_mover >= 92);
  CHECK(by_bootstrap <= 60);
}

TEST_CASE("the interval of the gap to independence covers 93 to 97.5%") {
  // Concepts are drawn as a second set of originals: with the shared luck of their cluster.
  const auto samples_of = [](const World& world, double known, Random& random) {
    std::vector<Sample> samples;
    const auto add = [&](int c, Arm arm, const char* part, bool right) {
      Sample made;
      made.cluster = std::to_string(c);
      made.arm = arm;
      made.intervention = "none";
      made.id = fmt::format("{}/{}/none", c, part);
      const Verdict good = arm == Arm::trap ? Verdict::flaw_named : Verdict::correct;
      made.verdict = right ? good : arm == Arm::trap ? Verdict::answered : Verdict::incorrect;
      samples.push_back(made);
    };
    for (int c = 0; c < world.clusters; ++c) {
      const double cluster_luck = random.normal();
      const auto right = [&](double chance) {
        const double z = std::sqrt(world.shared) * cluster_luck + std::sqrt(1 - world.shared) * random.normal();
        return 0.5 * std::erfc(-z / std::sqrt(2.0)) < chance;
      };
      add(c, Arm::original, "original", right(world.original));
      add(c, Arm::conceptual, "concept.1", right(known));
      add(c, Arm::trap, "trap", right(world.trap));
    }
    return samples;
  };
  for (const World& world : {World{60, 1, 0.3}, World{100, 1, 0.05, 0.9, 0.0}, World{100, 1, 0.5, 0.7, 0.8},
                             World{300, 1, 0.04, 0.97, 0.5}}) {
    constexpr double kKnown = 0.9;
    constexpr int kRuns = 1000;
    Random random(22);
    int covered = 0;
    for (int run = 0; run < kRuns; ++run) {
      const auto compositions = measure_composition(samples_of(world, kKnown, random));
      const Interval ci95 = compositions.at(0).gap_ci95;
      covered += holds(ci95.low, ci95.high, world.trap - world.original * kKnown) ? 1 : 0;
    }
    INFO(name_of(world) << ": " << covered);
    CHECK(covered >= 0.93 * kRuns);
    CHECK(covered <= 0.975 * kRuns);
  }
}

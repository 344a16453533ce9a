// Distances of loads: values worked out by hand, baselines of a design whose distances are known, and the test of a
// shift against all exchanges.
#include <fmt/format.h>

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/load_divergence.h"
#include "harness/paired_statistics.h"
#include "support/random.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

using Load = std::vector<double>;

/// Pairs, and the prompts that they are of.
class Pairs {
 public:
  void add(const std::string& unit_and_problem, const Load& original, const Load& trap) {
    add(unit_and_problem, unit_and_problem, {{original}, {}, {{}}}, {{trap}, {}, {{}}});
  }
  void add(const std::string& problem, const std::string& unit, const Load& original, const Load& trap) {
    add(problem, unit, {{original}, {}, {{}}}, {{trap}, {}, {{}}});
  }
  void add(const std::string& problem, const std::string& unit, RoutedPrompt original, RoutedPrompt trap) {
    prompts_.push_back(std::move(original));
    const RoutedPrompt* first = &prompts_.back();
    prompts_.push_back(std::move(trap));
    pairs_.push_back({problem, unit, first, &prompts_.back()});
  }
  RoutedPrompt& trap(std::size_t pair) { return prompts_[2 * pair + 1]; }
  const PairedLoads& operator[](std::size_t pair) const { return pairs_[pair]; }
  std::size_t size() const { return pairs_.size(); }
  operator std::span<const PairedLoads>() const { return pairs_; }  // NOLINT(google-explicit-constructor)

 private:
  std::deque<RoutedPrompt> prompts_;  // whose elements stay in place
  std::vector<PairedLoads> pairs_;
};

}  // namespace

TEST_CASE("the Jensen–Shannon divergence in bits, of counts or shares") {
  CHECK(jensen_shannon(Load{3, 1}, Load{0.75, 0.25}) == Approx(0).margin(1e-15));
  CHECK(jensen_shannon(Load{1, 0, 0}, Load{0, 2, 2}) == 1);
  // H(3/4, 1/4) - (0 + 1) / 2.
  CHECK(jensen_shannon(Load{1, 0}, Load{5, 5}) == Approx(0.811278124459 - 0.5));
  CHECK(jensen_shannon(Load{5, 5}, Load{1, 0}) == Approx(0.311278124459));
  CHECK(jensen_shannon(Load{0, 0}, Load{5, 5}) == 0);
}

TEST_CASE("a trap beside its original, other numbers of a family, and other families") {
  // Family a loads the first expert or the second, family b the third. Traps of a are their originals; those of b lie
  // elsewhere, wholly.
  Pairs pairs;
  for (int i = 0; i < 4; ++i) {
    const Load a = i % 2 == 0 ? Load{8, 0, 0, 0} : Load{0, 8, 0, 0};
    // Problems are alike in pairs, so that siblings are those of the other load alone.
    pairs.add(fmt::format("a{}", i % 2), "a", a, a);
    pairs.add(fmt::format("b{}", i), "b", Load{0, 0, 4, 0}, Load{0, 0, 0, 4});
  }
  const LoadDivergences found = compare_loads(pairs, 7);
  CHECK(found.pairs == 8);
  CHECK(found.units == 2);
  REQUIRE(found.layers.size() == 1);
  const LoadDivergence& layer = found.layers[0];
  CHECK(layer.trap.mean == 0.5);
  REQUIRE(layer.siblings);
  CHECK(layer.siblings->mean == 0.5);  // 1 within a, 0 within b
  REQUIRE(layer.strangers);
  CHECK(layer.strangers->mean == 1);
  REQUIRE(layer.trap_less_siblings);
  CHECK(layer.trap_less_siblings->mean == 0);
  REQUIRE(layer.trap.ci95);
  CHECK(layer.trap.ci95->low == 0);  // a resample of two units may hold one of them alone
  CHECK(layer.trap.ci95->high == 1);
  CHECK(layer.original_load == Load{0.25, 0.25, 0.5, 0});
  CHECK(layer.trap_load == Load{0.25, 0.25, 0, 0.5});
  CHECK(layer.shift == 0.5);

  Pairs one;
  one.add("x", Load{1, 0}, Load{1, 0});
  const LoadDivergences alone = compare_loads(one, 7);
  CHECK_FALSE(alone.layers[0].rerouted);
  CHECK_FALSE(alone.layers[0].siblings);
  CHECK_FALSE(alone.layers[0].strangers);
  CHECK_FALSE(alone.layers[0].trap.ci95);
  CHECK(alone.layers[0].shift_p == 1);
  CHECK(compare_loads({}, 7).layers.empty());
}

TEST_CASE("the p of a shift is the share of exchanges that shift as far") {
  // Five units that differ in how far their traps go, one of them back.
  Pairs pairs;
  const std::vector<double> moved = {3, 2, 2, 1, -2};
  for (std::size_t i = 0; i < moved.size(); ++i) {
    const std::string unit = fmt::format("u{}", i);
    const auto tilt = static_cast<double>(i);
    pairs.add(unit, Load{10 + tilt, 10 - tilt}, Load{10 + tilt - moved[i], 10 - tilt + moved[i]});
  }
  const auto shift_of = [&](unsigned exchanged) {
    Load original(2, 0);
    Load trap(2, 0);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const bool swap = (exchanged >> i & 1U) != 0;
      for (std::size_t expert = 0; expert < 2; ++expert) {
        (swap ? trap : original)[expert] += pairs[i].original->load[0][expert];
        (swap ? original : trap)[expert] += pairs[i].trap->load[0][expert];
      }
    }
    return jensen_shannon(original, trap);
  };
  int as_far = 0;
  for (unsigned exchanged = 0; exchanged < 32; ++exchanged)
    as_far += shift_of(exchanged) >= shift_of(0) - 1e-12 ? 1 : 0;
  const LoadDivergence layer = compare_loads(pairs, 3).layers[0];
  CHECK(layer.shift == Approx(shift_of(0)));
  // 2,000 draws: three standard errors are 0.034 at most.
  CHECK(layer.shift_p == Approx(as_far / 32.0).margin(0.034));
}

TEST_CASE("where traps are originals drawn again the shift is seldom significant; where all move it always is") {
  int significant = 0;
  constexpr int kWorlds = 40;
  for (int world = 0; world < kWorlds; ++world) {
    Random random(static_cast<std::uint64_t>(world), "worlds");
    const auto draw = [&] {
      Load load(4, 0);
      for (int token = 0; token < 30; ++token) load[static_cast<std::size_t>(random.uniform_int(0, 3))] += 1;
      return load;
    };
    Pairs pairs;
    for (int i = 0; i < 30; ++i) pairs.add(fmt::format("{}", i), fmt::format("{}", i / 2), draw(), draw());
    if (compare_loads(pairs, 1).layers[0].shift_p < 0.05) ++significant;
    for (std::size_t i = 0; i < pairs.size(); ++i) pairs.trap(i).load[0][0] += 8;
    CHECK(compare_loads(pairs, 1).layers[0].shift_p < 0.01);
  }
  CHECK(significant <= 6);  // 2 are expected; above 6 in one of 300 such runs
}

TEST_CASE("layers are corrected together, and the same pairs and seed give the same figures") {
  Pairs pairs;
  Random random(5, "layers");
  for (int i = 0; i < 12; ++i) {
    RoutedPrompt original{{}, {}, std::vector<std::vector<std::uint16_t>>(3)};
    RoutedPrompt trap = original;
    for (int layer = 0; layer < 3; ++layer) {
      const double x = random.uniform();
      original.load.push_back({x, 1 - x});
      trap.load.push_back({x * 0.9, 1 - x * 0.9});
    }
    pairs.add(fmt::format("p{}", i), fmt::format("p{}", i), original, trap);
  }
  const LoadDivergences first = compare_loads(pairs, 9);
  const LoadDivergences again = compare_loads(pairs, 9);
  const std::vector<double> corrected =
      holm_corrected(std::vector{first.layers[0].shift_p, first.layers[1].shift_p, first.layers[2].shift_p});
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(first.layers[i].shift_holm_p == corrected[i]);
    CHECK(first.layers[i].shift_holm_p > first.layers[i].shift_p);
    CHECK(first.layers[i].strangers->mean == again.layers[i].strangers->mean);
    CHECK(first.layers[i].trap.ci95->low == again.layers[i].trap.ci95->low);
  }
}

TEST_CASE("the last tokens that prompts share are followed, the same ones for the trap and for other numbers") {
  // Two experts a token. Prompts end in 7 8 9; a sibling ends in 8 9 alone, so two tokens count.
  const auto prompt = [](std::vector<std::int32_t> tokens, std::vector<std::uint16_t> routes) {
    return RoutedPrompt{{{1, 1, 1, 1}}, std::move(tokens), {std::move(routes)}};
  };
  const RoutedPrompt original = prompt({1, 5, 7, 8, 9}, {0, 1, 0, 1, 0, 1, 0, 1, 2, 3});
  const RoutedPrompt trap = prompt({1, 6, 7, 8, 9}, {0, 1, 0, 1, 2, 3, 1, 2, 2, 3});
  const RoutedPrompt sibling = prompt({4, 8, 9}, {0, 1, 2, 3, 0, 1});
  CHECK(rerouted_share(original, trap, 0, 1) == 0);
  CHECK(rerouted_share(original, trap, 0, 2) == 0.25);  // one of four assignments
  CHECK(rerouted_share(original, trap, 0, 3) == 0.5);   // three of six
  CHECK(rerouted_share(original, sibling, 0, 2) == 1);
  CHECK(rerouted_share(sibling, original, 0, 2) == 1);

  Pairs pairs;
  pairs.add("first", "family", original, trap);
  pairs.add("second", "family", sibling, sibling);
  const LoadDivergences found = compare_loads(pairs, 0);
  CHECK(found.ending == 2);
  REQUIRE(found.layers[0].rerouted);
  CHECK(found.layers[0].rerouted->mean == 0.125);  // 0.25 and, of the sibling's trap, 0
  CHECK(found.layers[0].rerouted_siblings->mean == 1);
  CHECK(found.layers[0].rerouted_less_siblings->mean == -0.875);

  // Of prompts that end differently nothing is said.
  Pairs apart;
  apart.add("first", "first", prompt({1}, {0, 1}), prompt({2}, {0, 1}));
  CHECK(compare_loads(apart, 0).ending == 0);
  CHECK_FALSE(compare_loads(apart, 0).layers[0].rerouted);
}

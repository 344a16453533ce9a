// Composition per item: counted by hand.
#include <fmt/format.h>

#include <vector>

#include "harness/composition.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

Sample sample(const std::string& record, const std::string& part, Verdict verdict,
              const std::string& intervention = "none", const std::string& cluster = "") {
  Sample made;
  made.id = fmt::format("{}/{}/{}", record, part, intervention);
  made.arm = part == "trap" ? Arm::trap : part == "original" ? Arm::original : Arm::conceptual;
  made.intervention = intervention;
  made.cluster = cluster.empty() ? record : cluster;
  made.verdict = verdict;
  return made;
}

void add_item(std::vector<Sample>& samples, const std::string& record, bool solved, bool known, bool seen_through,
              const std::string& intervention = "none") {
  samples.push_back(sample(record, "original", solved ? Verdict::correct : Verdict::incorrect, intervention));
  samples.push_back(sample(record, "concept.1", known ? Verdict::correct : Verdict::incorrect, intervention));
  samples.push_back(sample(record, "concept.2", Verdict::correct, intervention));
  samples.push_back(sample(record, "trap", seen_through ? Verdict::flaw_named : Verdict::refused, intervention));
}

}  // namespace

TEST_CASE("an item is owned when its original and all its concepts are right, composed when its trap is too") {
  std::vector<Sample> samples;
  for (int i = 0; i < 10; ++i) {
    // Of ten: 0 to 7 solved, 2 to 9 known, so 2 to 7 owned; 5, 6 and 9 seen through.
    add_item(samples, fmt::format("a/b{}", i), i < 8, i >= 2, i == 5 || i == 6 || i == 9);
    add_item(samples, fmt::format("a/b{}", i), i < 8, i >= 2, i >= 2, "my/hint");
  }
  const auto compositions = measure_composition(samples);
  REQUIRE(compositions.size() == 2);
  const Composition& spontaneous = compositions[0];
  CHECK(spontaneous.intervention == "none");
  CHECK(spontaneous.spontaneous);
  CHECK(spontaneous.items == 10);
  CHECK(spontaneous.left_out == 0);
  CHECK(spontaneous.owned.successes == 6);
  CHECK(spontaneous.composed.n == 6);
  CHECK(spontaneous.composed.successes == 2);
  CHECK(spontaneous.composed_unowned.n == 4);
  CHECK(spontaneous.composed_unowned.successes == 1);
  CHECK(spontaneous.independent == Approx(0.8 * 0.8));
  CHECK(spontaneous.gap == Approx(0.3 - 0.64));
  CHECK(spontaneous.gap_ci95.low < spontaneous.gap);
  CHECK(spontaneous.gap_ci95.high > spontaneous.gap);
  const Composition& passive = compositions[1];
  CHECK_FALSE(passive.spontaneous);
  CHECK(passive.composed.successes == 6);
  CHECK(passive.gap == Approx(0.8 - 0.64));
  CHECK(to_json(passive)["kind"] == "passive");
  CHECK(to_json(spontaneous)["composed"]["accuracy"].get<double>() == Approx(1.0 / 3));
}

TEST_CASE("an original that several records share is asked once and stands behind each of their traps") {
  std::vector<Sample> samples = {
      sample("r1", "original", Verdict::correct, "none", "c"), sample("r1", "trap", Verdict::flaw_named, "none", "c"),
      sample("r2", "trap", Verdict::answered, "none", "c"), sample("r3", "trap", Verdict::answered, "none", "other")};
  const Composition shared = measure_composition(samples).at(0);
  CHECK(shared.items == 2);
  CHECK(shared.left_out == 1);
  CHECK_FALSE(shared.concept_known);
  CHECK(shared.owned.successes == 2);
  CHECK(shared.independent == 1);
  // With two originals in the cluster, that of r2 is not certain.
  samples.push_back(sample("r4", "original", Verdict::incorrect, "none", "c"));
  CHECK(measure_composition(samples).at(0).left_out == 2);
  CHECK(measure_composition(samples).at(0).items == 1);
}

TEST_CASE("parts without a score leave their item out, and epochs do not mix") {
  std::vector<Sample> samples;
  add_item(samples, "r1", true, true, true);
  add_item(samples, "r2", true, true, true);
  samples[0].verdict = Verdict::failed;
  CHECK(measure_composition(samples).at(0).items == 1);
  CHECK(measure_composition(samples).at(0).left_out == 1);
  std::vector<Sample> epochs;
  add_item(epochs, "r", true, true, false);
  for (Sample& each : epochs) {
    each.epoch = 1;
    each.id += "#2";
  }
  add_item(epochs, "r", true, true, true);
  const Composition both = measure_composition(epochs).at(0);
  CHECK(both.items == 2);
  CHECK(both.composed.successes == 1);
}

TEST_CASE("a model that solves and knows all and sees through nothing still has an interval around its gap") {
  std::vector<Sample> samples;
  for (int i = 0; i < 20; ++i) add_item(samples, fmt::format("r{}", i), true, true, false);
  const Composition none = measure_composition(samples).at(0);
  CHECK(none.gap == -1);
  CHECK(none.gap_ci95.low == -1);
  CHECK(none.gap_ci95.high > -0.9);
  CHECK(none.composed.ci95.high > 0.1);
}

TEST_CASE("without traps or originals there is nothing to compose") {
  CHECK(measure_composition(std::vector<Sample>{sample("r", "trap", Verdict::answered)}).empty());
  CHECK(measure_composition(std::vector<Sample>{sample("r", "original", Verdict::correct)}).empty());
}

#include "harness/composition.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "harness/comparison.h"

namespace mathtrap {
namespace {

constexpr const char* kNoHelp = "none";

/// A record, or a cluster, in one epoch.
using Key = std::pair<std::string, int>;
using SamplesBy = std::map<Key, std::vector<const Sample*>>;

/// The samples of one intervention.
struct Asked {
  std::string intervention;
  std::vector<const Sample*> traps;
  SamplesBy originals_by_record;
  SamplesBy originals_by_cluster;
  SamplesBy concepts_by_record;
  SamplesBy concepts_by_cluster;
};

/// The outcomes of the items, side by side.
struct Items {
  std::vector<Outcome> original;
  std::vector<Outcome> known;
  std::vector<Outcome> trap;
  std::vector<Outcome> owned;
  std::vector<Outcome> composed;
  std::vector<Outcome> composed_unowned;
};

Key record_key(const Sample& sample) {
  return {record_of(sample), sample.epoch};
}

std::vector<Asked> by_intervention(std::span<const Sample> samples) {
  std::vector<Asked> all;
  for (const Sample& sample : samples) {
    auto asked =
        std::find_if(all.begin(), all.end(), [&](const Asked& a) { return a.intervention == sample.intervention; });
    if (asked == all.end()) asked = all.insert(all.end(), Asked{sample.intervention, {}, {}, {}, {}, {}});
    if (sample.arm == Arm::trap) {
      asked->traps.push_back(&sample);
      continue;
    }
    const bool is_original = sample.arm == Arm::original;
    (is_original ? asked->originals_by_record : asked->concepts_by_record)[record_key(sample)].push_back(&sample);
    (is_original ? asked->originals_by_cluster : asked->concepts_by_cluster)[{sample.cluster, sample.epoch}].push_back(
        &sample);
  }
  return all;
}

std::vector<const Sample*> parts_of(const Sample& trap, const SamplesBy& by_record, const SamplesBy& by_cluster) {
  const auto own = by_record.find(record_key(trap));
  if (own != by_record.end()) return own->second;
  const auto shared = by_cluster.find({trap.cluster, trap.epoch});
  return shared == by_cluster.end() ? std::vector<const Sample*>{} : shared->second;
}

bool all_scored(const std::vector<const Sample*>& samples) {
  return std::all_of(samples.begin(), samples.end(), [](const Sample* sample) { return is_scored(sample->verdict); });
}

bool all_correct(const std::vector<const Sample*>& samples) {
  return std::all_of(samples.begin(), samples.end(), [](const Sample* sample) { return is_correct(sample->verdict); });
}

/// Adds the trap's item; false when it cannot be one.
bool add_item(const Asked& asked, const Sample& trap, Items& items) {
  const auto originals = parts_of(trap, asked.originals_by_record, asked.originals_by_cluster);
  const auto concepts = parts_of(trap, asked.concepts_by_record, asked.concepts_by_cluster);
  const bool needs_concept = !asked.concepts_by_record.empty();
  if (originals.size() != 1 || (needs_concept && concepts.empty())) return false;
  if (!is_scored(trap.verdict) || !all_scored(originals) || !all_scored(concepts)) return false;
  const bool solved = all_correct(originals);
  const bool known = all_correct(concepts);
  const bool seen_through = is_correct(trap.verdict);
  items.original.push_back({trap.cluster, solved});
  if (needs_concept) items.known.push_back({trap.cluster, known});
  items.trap.push_back({trap.cluster, seen_through});
  items.owned.push_back({trap.cluster, solved && known});
  (solved && known ? items.composed : items.composed_unowned).push_back({trap.cluster, seen_through});
  return true;
}

/// What the gap gains or loses when its three accuracies go to their limits: trap down and the others up, or the
/// reverse.
double reach_of(const Composition& made, const Items& items, bool down) {
  const auto distance = [](const Proportion& part, bool below) {
    return below ? part.value - part.ci95.low : part.ci95.high - part.value;
  };
  const double known = made.concept_known ? made.concept_known->value : 1;
  const double trap = distance(made.trap, down);
  const double original = known * distance(made.original, !down);
  const double from_concept = made.concept_known ? made.original.value * distance(*made.concept_known, !down) : 0;
  const double square = trap * trap + original * original + from_concept * from_concept -
                        2 * cluster_correlation(items.trap, items.original) * trap * original -
                        2 * cluster_correlation(items.trap, items.known) * trap * from_concept +
                        2 * cluster_correlation(items.original, items.known) * original * from_concept;
  return std::sqrt(std::max(0.0, square));
}

Composition measure(const Asked& asked) {
  Composition made;
  made.intervention = asked.intervention;
  made.spontaneous = asked.intervention == kNoHelp;
  Items items;
  for (const Sample* trap : asked.traps) made.left_out += add_item(asked, *trap, items) ? 0 : 1;
  made.items = items.trap.size();
  made.original = proportion_of(items.original);
  if (!items.known.empty()) made.concept_known = proportion_of(items.known);
  made.trap = proportion_of(items.trap);
  made.owned = proportion_of(items.owned);
  made.composed = proportion_of(items.composed);
  made.composed_unowned = proportion_of(items.composed_unowned);
  made.independent = made.original.value * (made.concept_known ? made.concept_known->value : 1);
  made.gap = made.trap.value - made.independent;
  made.gap_ci95 = {std::max(-1.0, made.gap - reach_of(made, items, true)),
                   std::min(1.0, made.gap + reach_of(made, items, false))};
  return made;
}

Json proportion_json(const Proportion& part) {
  return {
      {"n", part.n}, {"correct", part.successes}, {"accuracy", part.value}, {"ci95", {part.ci95.low, part.ci95.high}}};
}

}  // namespace

std::vector<Composition> measure_composition(std::span<const Sample> samples) {
  std::vector<Composition> compositions;
  for (const Asked& asked : by_intervention(samples)) {
    if (asked.traps.empty() || asked.originals_by_record.empty()) continue;
    compositions.push_back(measure(asked));
  }
  return compositions;
}

Json to_json(const Composition& composition) {
  return {{"intervention", composition.intervention},
          {"kind", composition.spontaneous ? "spontaneous" : "passive"},
          {"items", composition.items},
          {"left_out", composition.left_out},
          {"original", composition.original.value},
          {"concept", composition.concept_known ? Json(composition.concept_known->value) : Json()},
          {"trap", composition.trap.value},
          {"owned", proportion_json(composition.owned)},
          {"composed", proportion_json(composition.composed)},
          {"composed_unowned", proportion_json(composition.composed_unowned)},
          {"independent", composition.independent},
          {"gap", composition.gap},
          {"gap_ci95", {composition.gap_ci95.low, composition.gap_ci95.high}}};
}

}  // namespace mathtrap

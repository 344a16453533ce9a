#include "harness/results.h"

#include <algorithm>

namespace mathtrap {
namespace {

/// Values in the order in which they first appear.
template <typename Value, typename Get>
std::vector<Value> distinct(std::span<const Sample> samples, const Get& get) {
  std::vector<Value> values;
  for (const Sample& sample : samples) {
    if (std::find(values.begin(), values.end(), get(sample)) == values.end()) values.push_back(get(sample));
  }
  return values;
}

/// The samples of an arm under an intervention; of one trap type unless `trap_type` is null.
std::vector<const Sample*> select(std::span<const Sample> samples, Arm arm, const std::string& intervention,
                                  const TrapType* trap_type) {
  std::vector<const Sample*> selected;
  for (const Sample& sample : samples) {
    if (sample.arm != arm || sample.intervention != intervention) continue;
    if (trap_type == nullptr || sample.trap_type == *trap_type) selected.push_back(&sample);
  }
  return selected;
}

std::vector<Outcome> outcomes_of(const std::vector<const Sample*>& samples, bool refused_counts) {
  std::vector<Outcome> outcomes;
  outcomes.reserve(samples.size());
  for (const Sample* sample : samples) {
    if (!is_scored(sample->verdict)) continue;
    const bool success = is_correct(sample->verdict) || (refused_counts && sample->verdict == Verdict::refused);
    outcomes.push_back({sample->cluster, success});
  }
  return outcomes;
}

Group make_group(const std::vector<const Sample*>& samples, const TrapType* trap_type) {
  Group group;
  group.arm = samples.front()->arm;
  group.intervention = samples.front()->intervention;
  if (trap_type != nullptr) group.trap_type = *trap_type;
  group.accuracy = proportion_of(outcomes_of(samples, false));
  if (group.arm == Arm::trap) group.lenient = proportion_of(outcomes_of(samples, true));
  for (const Sample* sample : samples) ++group.verdicts[sample->verdict];
  return group;
}

Json interval(const Interval& ci95) {
  return Json::array({ci95.low, ci95.high});
}

Json group_json(const Group& group) {
  const auto count_of = [&](Verdict verdict) {
    const auto found = group.verdicts.find(verdict);
    return found == group.verdicts.end() ? std::size_t{0} : found->second;
  };
  Json verdicts = Json::object();
  for (const auto& [verdict, count] : group.verdicts) verdicts[std::string(to_string(verdict))] = count;
  Json json = {
      {"arm", to_string(group.arm)},
      {"intervention", group.intervention},
      {"trap_type", group.trap_type ? Json(to_string(*group.trap_type)) : Json()},
      {"n", group.accuracy.n},
      {"correct", group.accuracy.successes},
      {"accuracy", group.accuracy.value},
      {"ci95", interval(group.accuracy.ci95)},
      {"unscored", 0},  // the rules can read every reply; verdicts of other judges may not be readable
      {"cut_off", count_of(Verdict::cut_off)},
      {"failed", count_of(Verdict::failed)},  // no reply came: not in n
      {"clusters", group.accuracy.clusters},
      {"effective_n", group.accuracy.effective_n},
      {"verdicts", verdicts},
  };
  if (group.lenient) {
    json["lenient"] = {{"correct", group.lenient->successes},
                       {"accuracy", group.lenient->value},
                       {"ci95", interval(group.lenient->ci95)}};
  }
  return json;
}

Json ratio_json(const InterventionRatio& entry) {
  Json json = {{"intervention", entry.intervention}, {"value", nullptr}, {"ci95", nullptr}};
  if (!entry.ratio) return json;
  json["value"] = entry.ratio->value;
  json["ci95"] = Json::array({Json(entry.ratio->low), entry.ratio->high ? Json(*entry.ratio->high) : Json()});
  return json;
}

}  // namespace

Results summarise(const std::string& model, const std::string& dataset, std::span<const Sample> samples) {
  Results results{model, dataset, {}, {}};
  const auto arms = distinct<Arm>(samples, [](const Sample& sample) { return sample.arm; });
  const auto interventions = distinct<std::string>(samples, [](const Sample& sample) { return sample.intervention; });
  const auto add_groups = [&](Arm arm, const TrapType* trap_type) {
    for (const std::string& intervention : interventions) {
      const auto selected = select(samples, arm, intervention, trap_type);
      if (!selected.empty()) results.groups.push_back(make_group(selected, trap_type));
    }
  };
  for (const Arm arm : arms) {
    add_groups(arm, nullptr);
    for (const TrapType& type : kTrapTypes) add_groups(arm, &type);
  }
  for (const std::string& intervention : interventions) {
    const auto traps = select(samples, Arm::trap, intervention, nullptr);
    const auto originals = select(samples, Arm::original, intervention, nullptr);
    if (traps.empty() || originals.empty()) continue;
    results.ratios.push_back({intervention, ratio_of(outcomes_of(traps, false), outcomes_of(originals, false))});
  }
  return results;
}

Json to_json(const Results& results) {
  Json groups = Json::array();
  for (const Group& group : results.groups) groups.push_back(group_json(group));
  Json ratios = Json::array();
  for (const InterventionRatio& ratio : results.ratios) ratios.push_back(ratio_json(ratio));
  return {{"model", results.model}, {"dataset", results.dataset}, {"groups", groups}, {"ratio", ratios}};
}

}  // namespace mathtrap

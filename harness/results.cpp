#include "harness/results.h"

#include <algorithm>
#include <utility>

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

InterventionRatio make_ratio(const std::string& intervention, const std::vector<const Sample*>& traps,
                             const std::vector<const Sample*>& originals) {
  const std::vector<Outcome> above = outcomes_of(traps, false);
  const std::vector<Outcome> below = outcomes_of(originals, false);
  InterventionRatio made{intervention, ratio_of(above, below), {}};
  if (made.ratio) made.bootstrap = bootstrap_ratio(above, below, kRatioSeed);
  return made;
}

/// The id of the question's first epoch.
std::string without_epoch(const Sample& sample) {
  return sample.epoch == 0 ? sample.id : sample.id.substr(0, sample.id.rfind('#'));
}

/// The replies to each question, in the order of the epochs.
std::map<std::string, std::vector<const Sample*>> by_question(const std::vector<const Sample*>& samples) {
  std::map<std::string, std::vector<const Sample*>> questions;
  for (const Sample* sample : samples) questions[without_epoch(*sample)].push_back(sample);
  return questions;
}

/// The k of pass@k: 1, 2, 4, … and the number of epochs.
int next_tries(int k, int epochs) {
  return k == epochs ? k + 1 : std::min(2 * k, epochs);
}

EpochResults make_epochs(const std::vector<const Sample*>& samples) {
  EpochResults results;
  results.arm = samples.front()->arm;
  results.intervention = samples.front()->intervention;
  results.mean = proportion_of(outcomes_of(samples, false));
  for (const Sample* sample : samples) results.epochs = std::max(results.epochs, sample->epoch + 1);
  std::vector<Outcome> majorities;
  for (int k = 1; k <= results.epochs; k = next_tries(k, results.epochs)) results.pass_at[k] = 0;
  for (const auto& [id, all_replies] : by_question(samples)) {
    const std::vector<Outcome> replies = outcomes_of(all_replies, false);
    if (replies.empty()) continue;
    const auto correct = static_cast<std::size_t>(
        std::count_if(replies.begin(), replies.end(), [](const Outcome& reply) { return reply.success; }));
    majorities.push_back({replies.front().cluster, 2 * correct > replies.size()});
    for (auto& [k, sum] : results.pass_at) {
      sum += pass_at_k(replies.size(), correct, std::min(static_cast<std::size_t>(k), replies.size()));
    }
  }
  results.majority = proportion_of(majorities);
  for (auto& [k, sum] : results.pass_at) sum /= static_cast<double>(std::max<std::size_t>(1, majorities.size()));
  return results;
}

Json interval(const Interval& ci95) {
  return Json::array({ci95.low, ci95.high});
}

Json proportion_json(const Proportion& part) {
  return {{"n", part.n}, {"correct", part.successes}, {"accuracy", part.value}, {"ci95", interval(part.ci95)}};
}

Json epochs_json(const EpochResults& epochs) {
  Json pass_at = Json::object();
  for (const auto& [k, value] : epochs.pass_at) pass_at[std::to_string(k)] = value;
  return {
      {"arm", to_string(epochs.arm)},         {"intervention", epochs.intervention},          {"epochs", epochs.epochs},
      {"mean", proportion_json(epochs.mean)}, {"majority", proportion_json(epochs.majority)}, {"pass_at", pass_at}};
}

std::size_t count_of(const Group& group, Verdict verdict) {
  const auto found = group.verdicts.find(verdict);
  return found == group.verdicts.end() ? 0 : found->second;
}

Json group_json(const Group& group) {
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
      {"unscored", count_of(group, Verdict::unscored)},
      {"cut_off", count_of(group, Verdict::cut_off)},
      {"failed", count_of(group, Verdict::failed)},  // no reply came: not in n
      {"clusters", group.accuracy.clusters},
      {"effective_n", group.accuracy.effective_n},
      {"standard_error", group.accuracy.standard_error},
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
  Json json = {{"intervention", entry.intervention}, {"value", nullptr}, {"ci95", nullptr}, {"method", "MOVER-R"}};
  if (!entry.ratio) return json;
  json["value"] = entry.ratio->value;
  json["ci95"] = Json::array({Json(entry.ratio->low), entry.ratio->high ? Json(*entry.ratio->high) : Json()});
  const BootstrapInterval& bootstrap = entry.bootstrap;
  json["bootstrap"] = {{"method", "cluster bootstrap, percentile"},
                       {"ci95", Json::array({Json(bootstrap.low), bootstrap.high ? Json(*bootstrap.high) : Json()})},
                       {"resamples", bootstrap.resamples},
                       {"without_value", bootstrap.without_value},
                       {"seed", kRatioSeed}};
  return json;
}

}  // namespace

Results summarise(const std::string& model, const std::string& dataset, std::span<const Sample> samples) {
  Results results{model, dataset, {}, {}, {}, {}, {}};
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
    if (!traps.empty() && !originals.empty()) results.ratios.push_back(make_ratio(intervention, traps, originals));
  }
  results.compositions = measure_composition(samples);
  results.comparisons = compare_interventions(samples);
  if (std::none_of(samples.begin(), samples.end(), [](const Sample& sample) { return sample.epoch > 0; })) {
    return results;
  }
  for (const Arm arm : arms) {
    for (const std::string& intervention : interventions) {
      const auto selected = select(samples, arm, intervention, nullptr);
      if (!selected.empty()) results.epochs.push_back(make_epochs(selected));
    }
  }
  return results;
}

Json to_json(const Results& results) {
  Json groups = Json::array();
  for (const Group& group : results.groups) groups.push_back(group_json(group));
  Json ratios = Json::array();
  for (const InterventionRatio& ratio : results.ratios) ratios.push_back(ratio_json(ratio));
  Json json = {{"model", results.model}, {"dataset", results.dataset}, {"groups", groups}, {"ratio", ratios}};
  json["composition"] = Json::array();
  for (const Composition& composition : results.compositions) json["composition"].push_back(to_json(composition));
  json["comparisons"] = Json::array();
  for (const ConditionComparison& row : results.comparisons) json["comparisons"].push_back(to_json(row));
  for (const EpochResults& epochs : results.epochs) json["epochs"].push_back(epochs_json(epochs));
  return json;
}

}  // namespace mathtrap

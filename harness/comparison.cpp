#include "harness/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "harness/run_store.h"
#include "support/error.h"

namespace mathtrap {
namespace {

/// An arm under an intervention.
using Condition = std::pair<Arm, std::string>;
/// Samples of a condition by the question's name without the intervention.
using Questions = std::map<std::string, const Sample*>;

/// The part of an id that tells the epoch; empty in the first.
std::string epoch_ending(const Sample& sample) {
  return sample.epoch == 0 ? "" : fmt::format("#{}", sample.epoch + 1);
}

/// In the order in which they first appear.
std::vector<std::pair<Condition, Questions>> by_condition(std::span<const Sample> samples) {
  std::vector<std::pair<Condition, Questions>> conditions;
  for (const Sample& sample : samples) {
    const Condition condition{sample.arm, sample.intervention};
    auto found =
        std::find_if(conditions.begin(), conditions.end(), [&](const auto& entry) { return entry.first == condition; });
    if (found == conditions.end()) found = conditions.insert(conditions.end(), {condition, {}});
    found->second.emplace(question_of(sample), &sample);
  }
  return conditions;
}

ConditionComparison compare_questions(const Condition& condition, const std::string& before_name,
                                      const Questions& before, const Questions& after) {
  ConditionComparison row{condition.first, before_name, condition.second, {}, {}};
  std::vector<PairedOutcome> outcomes;
  for (const auto& [id, sample] : before) {
    const auto found = after.find(id);
    if (found == after.end()) continue;
    if (!is_scored(sample->verdict) || !is_scored(found->second->verdict)) continue;
    const bool was = is_correct(sample->verdict);
    const bool is = is_correct(found->second->verdict);
    outcomes.push_back({sample->cluster, was, is});
    if (was != is) row.changed.push_back({id, sample->verdict, found->second->verdict});
  }
  row.paired = compare_paired(outcomes);
  return row;
}

void correct_rows(std::span<ConditionComparison* const> rows) {
  std::vector<double> p_values;
  for (const ConditionComparison* row : rows) p_values.push_back(row->paired.permutation_p);
  const std::vector<double> corrected = holm_corrected(p_values);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i]->paired.holm_p = corrected[i];
}

std::string data_hash(const StoredRun& run) {
  const Json dataset = run.run.value("dataset", Json::object());
  return dataset.is_object() ? dataset.value("sha256", "") : "";
}

std::string percent(double share) {
  return fmt::format("{:.1f}%", 100 * share);
}

}  // namespace

std::string question_of(const Sample& sample) {
  const std::string epoch = epoch_ending(sample);
  const std::string ending = fmt::format("/{}{}", sample.intervention, epoch);
  return sample.id.ends_with(ending) ? sample.id.substr(0, sample.id.size() - ending.size()) + epoch : sample.id;
}

std::string record_of(const Sample& sample) {
  const std::string question = question_of(sample);
  return question.substr(0, question.rfind('/'));
}

std::vector<ConditionComparison> compare_interventions(std::span<const Sample> samples) {
  const auto conditions = by_condition(samples);
  std::vector<ConditionComparison> rows;
  for (const auto& entry : conditions) {
    const Condition& condition = entry.first;
    const auto first = std::find_if(conditions.begin(), conditions.end(),
                                    [&](const auto& other) { return other.first.first == condition.first; });
    if (first->first == condition) continue;
    rows.push_back(compare_questions(condition, first->first.second, first->second, entry.second));
  }
  std::vector<ConditionComparison*> all;
  for (ConditionComparison& row : rows) all.push_back(&row);
  correct_rows(all);
  return rows;
}

RunComparison pair_runs(const StoredRun& before, const StoredRun& after) {
  const auto conditions_before = by_condition(before.samples);
  const auto conditions_after = by_condition(after.samples);
  RunComparison comparison;
  std::size_t common = 0;
  for (const auto& entry : conditions_before) {
    const Condition& condition = entry.first;
    const auto found = std::find_if(conditions_after.begin(), conditions_after.end(),
                                    [&](const auto& other) { return other.first == condition; });
    if (found == conditions_after.end()) continue;
    ConditionComparison row = compare_questions(condition, condition.second, entry.second, found->second);
    if (row.paired.n == 0) continue;
    common += row.paired.n;
    comparison.rows.push_back(std::move(row));
  }
  comparison.only_before = before.samples.size() - common;
  comparison.only_after = after.samples.size() - common;
  correct_by_holm({&comparison, 1});
  return comparison;
}

bool same_data(const StoredRun& before, const StoredRun& after) {
  return data_hash(before) == data_hash(after);
}

void correct_by_holm(std::span<RunComparison> comparisons) {
  std::vector<ConditionComparison*> all;
  for (RunComparison& comparison : comparisons) {
    for (ConditionComparison& row : comparison.rows) all.push_back(&row);
  }
  correct_rows(all);
}

RunComparison compare_runs(const StoredRun& before, const StoredRun& after, bool different_data) {
  if (!different_data && !same_data(before, after)) {
    throw Error(
        "the runs were made on different data, so their difference would be one of problems; compare the questions "
        "that both have with --allow-different-data");
  }
  RunComparison comparison = pair_runs(before, after);
  if (comparison.rows.empty()) throw Error("the runs have no question in common");
  return comparison;
}

Json to_json(const ConditionComparison& row) {
  const PairedComparison& paired = row.paired;
  return {{"arm", to_string(row.arm)},
          {"before", row.before},
          {"after", row.after},
          {"n", paired.n},
          {"clusters", paired.clusters},
          {"accuracy", {paired.before, paired.after}},
          {"difference", paired.difference},
          {"ci95", {paired.ci95.low, paired.ci95.high}},
          {"gained", paired.gained},
          {"lost", paired.lost},
          {"mcnemar_p", paired.mcnemar_p},
          {"mcnemar_mid_p", paired.mcnemar_mid_p},
          {"permutation_p", paired.permutation_p},
          {"holm_p", paired.holm_p},
          {"minimum_detectable_difference", paired.detectable ? Json(*paired.detectable) : Json()}};
}

std::string comparison_table(std::span<const ConditionComparison> rows) {
  std::string table =
      fmt::format("{:<9} {:<28} {:>5} {:>7} {:>7} {:>8} {:>17} {:>6} {:>5} {:>9} {:>9} {:>10}\n", "arm", "intervention",
                  "n", "before", "after", "change", "95%", "gained", "lost", "McNemar", "clusters", "Holm");
  for (const ConditionComparison& row : rows) {
    const PairedComparison& paired = row.paired;
    const std::string name = row.before == row.after ? row.after : fmt::format("{} → {}", row.before, row.after);
    const std::string interval = fmt::format("{:+.1f} to {:+.1f}", 100 * paired.ci95.low, 100 * paired.ci95.high);
    // The arrow is one column wide and three bytes long.
    const int width = row.before == row.after ? 28 : 30;
    table += fmt::format("{:<9} {:<{}} {:>5} {:>7} {:>7} {:>+8.1f} {:>17} {:>6} {:>5} {:>9.2g} {:>9.2g} {:>10.2g}\n",
                         to_string(row.arm), name, width, paired.n, percent(paired.before), percent(paired.after),
                         100 * paired.difference, interval, paired.gained, paired.lost, paired.mcnemar_p,
                         paired.permutation_p, paired.holm_p);
  }
  return table;
}

}  // namespace mathtrap

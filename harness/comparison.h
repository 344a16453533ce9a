// Two conditions side by side: what of a run or two is compared, and which questions changed.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "harness/paired_statistics.h"
#include "harness/sample.h"
#include "support/json.h"

namespace mathtrap {

/// A question whose verdict counts under one condition and not under the other.
struct ChangedQuestion {
  std::string id;  ///< "<record>/<arm>"
  Verdict before = Verdict::no_answer;
  Verdict after = Verdict::no_answer;
};

/// One row of the table.
struct ConditionComparison {
  Arm arm = Arm::original;
  std::string before;  ///< intervention
  std::string after;   ///< intervention
  PairedComparison paired;
  std::vector<ChangedQuestion> changed;
};

/// The question's id without the intervention: "<record>/<arm>", "<record>/concept.<n>", of later epochs with "#2",
/// "#3", …
std::string question_of(const Sample& sample);
/// The record's id. Neither it nor the intervention's name tells where it ends, as both may hold slashes.
std::string record_of(const Sample& sample);

/// Questions whose verdict is no score (is_scored) in one of both are left out. Each arm under each intervention
/// against the first one, with Holm's correction over all of them; empty when there is only one intervention.
std::vector<ConditionComparison> compare_interventions(std::span<const Sample> samples);

struct RunComparison {
  std::vector<ConditionComparison> rows;  ///< each arm and intervention that both have, Holm over all of them
  std::size_t only_before = 0;            ///< questions that the other run does not have
  std::size_t only_after = 0;
};

struct StoredRun;

/// Pairs questions by their ids; no rows when the runs have none in common.
RunComparison pair_runs(const StoredRun& before, const StoredRun& after);

/// Whether both runs were made on the same data, by its hash.
bool same_data(const StoredRun& before, const StoredRun& after);

/// Corrects the rows of several comparisons that are looked at together.
void correct_by_holm(std::span<RunComparison> comparisons);

/// pair_runs, for two runs that must be comparable. Throws Error when the runs were made on different data (by its
/// hash) and `different_data` is false, or have nothing in common.
RunComparison compare_runs(const StoredRun& before, const StoredRun& after, bool different_data);

/// {"arm","before","after","n","clusters","accuracy":[before,after],"difference","ci95","gained","lost","mcnemar_p",
/// "mcnemar_mid_p","permutation_p","holm_p","minimum_detectable_difference"}.
Json to_json(const ConditionComparison& row);

/// A table for people, one line a row.
std::string comparison_table(std::span<const ConditionComparison> rows);

}  // namespace mathtrap

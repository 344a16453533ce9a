// How figures and names are written for people, the same in every report.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/results.h"

namespace mathtrap {

/// "97.4%".
std::string percent(double part);
/// "95.6–98.5%".
std::string percent_range(const Interval& interval);
/// "7.2% (5.2–9.8%)"; "–" without a value, "∞" for an unbounded limit.
std::string ratio_text(const std::optional<Ratio>& ratio);

/// "5.1–9.9%", as in ratio_text.
std::string bootstrap_text(const BootstrapInterval& interval);
/// "97.4% (95.6–98.5%)"; "–" when nothing is counted.
std::string accuracy_text(const Proportion& accuracy);
/// "+3.1 (-0.4 to +6.5)", in points.
std::string points_text(double difference, const Interval& interval);
/// "pass@1 50.0% · pass@2 75.0%".
std::string pass_text(const EpochResults& epochs);
/// "spontaneous" or "passive".
std::string kind_of(const Composition& composition);

/// "flaw named", "cut off".
std::string words(Verdict verdict);
/// "indirect contradiction".
std::string words(TrapType type);

/// The verdicts of an arm, best first: the order of tables and bars.
std::vector<Verdict> verdicts_of(Arm arm);
std::size_t count_of(const Group& group, Verdict verdict);

/// Groups of all trap types together, in their order.
std::vector<const Group*> overall_groups(const Results& results);
/// The group of one arm, intervention and trap type; null when nothing of it was asked.
const Group* find_group(const Results& results, Arm arm, std::string_view intervention, std::optional<TrapType> type);

/// A comparison and what to call it, such as "none → hint".
struct NamedComparison {
  std::string name;
  const ConditionComparison* comparison = nullptr;
  bool lists_changes = false;  ///< whether the questions that changed are listed below
};

/// Interventions of a run against its first one. Empty when nothing was compared.
std::vector<NamedComparison> name_comparisons(const Results& results);

/// Rows of the table by trap type: the types and interventions that have traps.
struct TypeRow {
  TrapType type = TrapType::concept_undefined;
  std::string intervention;
};
std::vector<TypeRow> type_rows(const Results& results);

/// A fact about the run, for the head of a report: {"Model", "zoo:organism"}.
struct Fact {
  std::string name;
  std::string value;
};
/// From run.json. What is absent there is left out.
std::vector<Fact> run_facts(const Json& run);

}  // namespace mathtrap

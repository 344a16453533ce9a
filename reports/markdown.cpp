#include "reports/markdown.h"

#include <fmt/format.h>

#include "reports/format.h"

namespace mathtrap {
namespace {

/// Text from outside within a table cell or line: no mark-up of its own.
std::string escaped(std::string_view text) {
  static constexpr std::string_view kMarks = "\\`*_{}[]<>#|!&~";
  std::string safe;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      safe += ' ';
      continue;
    }
    if (kMarks.find(c) != std::string_view::npos) safe += '\\';
    safe += c;
  }
  return safe;
}

std::string row(const std::vector<std::string>& cells) {
  return fmt::format("| {} |\n", fmt::join(cells, " | "));
}

std::string verdict_cells(const Group& group) {
  std::vector<std::string> cells;
  for (const Verdict verdict : verdicts_of(group.arm)) {
    const std::size_t count = count_of(group, verdict);
    if (count != 0 || is_scored(verdict)) cells.push_back(fmt::format("{} {}", count, words(verdict)));
  }
  return fmt::format("{}", fmt::join(cells, ", "));
}

std::string accuracy_cell(const Group* group) {
  if (group == nullptr) return "–";
  return fmt::format("{} ({})", percent(group->accuracy.value), percent_range(group->accuracy.ci95));
}

std::string arms_section(const Results& results) {
  std::string text = "## Accuracy\n\n";
  text += row({"arm", "intervention", "n", "correct", "95% interval", "verdicts"});
  text += row({"---", "---", "--:", "--:", "--:", "---"});
  for (const Group* group : overall_groups(results)) {
    text += row({std::string(to_string(group->arm)), escaped(group->intervention), std::to_string(group->accuracy.n),
                 percent(group->accuracy.value), percent_range(group->accuracy.ci95), verdict_cells(*group)});
  }
  text += "\nA reply to a trap is correct when it gives no answer and names the flaw.\n";
  for (const Group* group : overall_groups(results)) {
    if (!group->lenient) continue;
    text += fmt::format("Counting every refusal ({}): {} ({}).\n", escaped(group->intervention),
                        percent(group->lenient->value), percent_range(group->lenient->ci95));
  }
  return text;
}

std::string ratio_section(const Results& results) {
  if (results.ratios.empty()) return {};
  std::string text = "\n## Trap / original\n\n";
  text += row({"intervention", "ratio (95% interval)"}) + row({"---", "--:"});
  for (const InterventionRatio& entry : results.ratios) {
    text += row({escaped(entry.intervention), ratio_text(entry.ratio)});
  }
  return text;
}

std::string types_section(const Results& results) {
  const std::vector<TypeRow> rows = type_rows(results);
  if (rows.empty()) return {};
  std::string text = "\n## By trap type\n\n";
  text += row({"trap type", "intervention", "traps", "original", "concept", "trap"});
  text += row({"---", "---", "--:", "--:", "--:", "--:"});
  for (const TypeRow& entry : rows) {
    const Group* trap = find_group(results, Arm::trap, entry.intervention, entry.type);
    text +=
        row({words(entry.type), escaped(entry.intervention), std::to_string(trap->accuracy.n),
             accuracy_cell(find_group(results, Arm::original, entry.intervention, entry.type)),
             accuracy_cell(find_group(results, Arm::conceptual, entry.intervention, entry.type)), accuracy_cell(trap)});
  }
  return text;
}

std::string comparisons_section(const Results& results) {
  if (results.comparisons.empty()) return {};
  std::string text = "\n## Interventions compared\n\n";
  text += row(
      {"arm", "interventions", "change (95% interval)", "gained", "lost", "p (McNemar)", "p (clusters)", "p (Holm)"});
  text += row({"---", "---", "--:", "--:", "--:", "--:", "--:", "--:"});
  for (const ConditionComparison& item : results.comparisons) {
    const PairedComparison& paired = item.paired;
    text += row({std::string(to_string(item.arm)), escaped(fmt::format("{} → {}", item.before, item.after)),
                 fmt::format("{:+.1f} ({:+.1f} to {:+.1f})", 100 * paired.difference, 100 * paired.ci95.low,
                             100 * paired.ci95.high),
                 std::to_string(paired.gained), std::to_string(paired.lost), fmt::format("{:.2g}", paired.mcnemar_p),
                 fmt::format("{:.2g}", paired.permutation_p), fmt::format("{:.2g}", paired.holm_p)});
  }
  return text +
         "\nThe same questions under both; changes in points. *p (clusters)* is an exact sign-flip test over original "
         "problems, *p (Holm)* the same corrected for all rows.\n";
}

std::string facts_section(const Json& run) {
  std::string text = "\n## The run\n\n";
  text += row({"", ""}) + row({"---", "---"});
  for (const Fact& fact : run_facts(run)) text += row({fact.name, escaped(fact.value)});
  return text + "\nEverything needed to repeat it is in `run.json`; every reply with its verdict in `samples.jsonl`.\n";
}

}  // namespace

std::string markdown_report(const StoredRun& run) {
  const Results& results = run.results;
  return fmt::format("# {} on {}\n\n", escaped(results.model), escaped(results.dataset)) + arms_section(results) +
         ratio_section(results) + comparisons_section(results) + types_section(results) + facts_section(run.run);
}

}  // namespace mathtrap

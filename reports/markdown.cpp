#include "reports/markdown.h"

#include <fmt/format.h>

#include "reports/format.h"

namespace mathtrap {
namespace {

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
  text += markdown_row({"arm", "intervention", "n", "correct", "95% interval", "verdicts"});
  text += markdown_row({"---", "---", "--:", "--:", "--:", "---"});
  for (const Group* group : overall_groups(results)) {
    text += markdown_row({std::string(to_string(group->arm)), escape_markdown(group->intervention),
                          std::to_string(group->accuracy.n), percent(group->accuracy.value),
                          percent_range(group->accuracy.ci95), verdict_cells(*group)});
  }
  text += "\nA reply to a trap is correct when it gives no answer and names the flaw.\n";
  for (const Group* group : overall_groups(results)) {
    if (!group->lenient) continue;
    text += fmt::format("Counting every refusal ({}): {} ({}).\n", escape_markdown(group->intervention),
                        percent(group->lenient->value), percent_range(group->lenient->ci95));
  }
  return text;
}

std::string ratio_section(const Results& results) {
  if (results.ratios.empty()) return {};
  std::string text = "\n## Trap / original\n\n";
  text += markdown_row({"intervention", "ratio (95% interval)", "95% by cluster bootstrap"}) +
          markdown_row({"---", "--:", "--:"});
  for (const InterventionRatio& entry : results.ratios) {
    text += markdown_row({escape_markdown(entry.intervention), ratio_text(entry.ratio),
                          entry.ratio ? bootstrap_text(entry.bootstrap) : "–"});
  }
  return text +
         "\nThe interval beside the ratio is by MOVER-R; the bootstrap's is too narrow where few traps are seen "
         "through.\n";
}

std::string types_section(const Results& results) {
  const std::vector<TypeRow> rows = type_rows(results);
  if (rows.empty()) return {};
  std::string text = "\n## By trap type\n\n";
  text += markdown_row({"trap type", "intervention", "traps", "original", "concept", "trap"});
  text += markdown_row({"---", "---", "--:", "--:", "--:", "--:"});
  for (const TypeRow& entry : rows) {
    const Group* trap = find_group(results, Arm::trap, entry.intervention, entry.type);
    text += markdown_row({words(entry.type), escape_markdown(entry.intervention), std::to_string(trap->accuracy.n),
                          accuracy_cell(find_group(results, Arm::original, entry.intervention, entry.type)),
                          accuracy_cell(find_group(results, Arm::conceptual, entry.intervention, entry.type)),
                          accuracy_cell(trap)});
  }
  return text;
}

std::string composition_section(const Results& results) {
  if (results.compositions.empty()) return {};
  std::string text = "\n## Composition, item by item\n\n";
  text += markdown_row({"intervention", "kind", "items", "owns both", "composes, of the owned", "of the others", "trap",
                        "if independent", "gap (95% interval)"});
  text += markdown_row({"---", "---", "--:", "--:", "--:", "--:", "--:", "--:", "--:"});
  for (const Composition& item : results.compositions) {
    text += markdown_row({escape_markdown(item.intervention), kind_of(item), std::to_string(item.items),
                          std::to_string(item.owned.successes), accuracy_text(item.composed),
                          accuracy_text(item.composed_unowned), percent(item.trap.value), percent(item.independent),
                          points_text(item.gap, item.gap_ci95)});
  }
  return text +
         "\nAn item is a trap with its original and its conceptual questions; the model owns both when it solves the "
         "original and answers every concept. *If independent* is original × concept; the gap is in points.\n";
}

std::string epochs_section(const Results& results) {
  if (results.epochs.empty()) return {};
  std::string text = "\n## Several epochs\n\n";
  text += markdown_row({"arm", "intervention", "epochs", "mean", "majority", "pass@k"});
  text += markdown_row({"---", "---", "--:", "--:", "--:", "---"});
  for (const EpochResults& epochs : results.epochs) {
    text += markdown_row({std::string(to_string(epochs.arm)), escape_markdown(epochs.intervention),
                          std::to_string(epochs.epochs), accuracy_text(epochs.mean), accuracy_text(epochs.majority),
                          pass_text(epochs)});
  }
  return text;
}

std::string facts_section(const Json& run) {
  std::string text = "\n## The run\n\n";
  text += markdown_row({"", ""}) + markdown_row({"---", "---"});
  for (const Fact& fact : run_facts(run)) text += markdown_row({fact.name, escape_markdown(fact.value)});
  return text + "\nEverything needed to repeat it is in `run.json`; every reply with its verdict in `samples.jsonl`.\n";
}

}  // namespace

std::string escape_markdown(std::string_view text) {
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

std::string markdown_row(const std::vector<std::string>& cells) {
  return fmt::format("| {} |\n", fmt::join(cells, " | "));
}

std::string markdown_comparisons(const std::string& title, std::span<const NamedComparison> comparisons) {
  if (comparisons.empty()) return {};
  std::string text = fmt::format("\n## {}\n\n", title);
  text += markdown_row(
      {"arm", "compared", "change (95% interval)", "gained", "lost", "p (McNemar)", "p (clusters)", "p (Holm)"});
  text += markdown_row({"---", "---", "--:", "--:", "--:", "--:", "--:", "--:"});
  for (const NamedComparison& item : comparisons) {
    const PairedComparison& paired = item.comparison->paired;
    text += markdown_row({std::string(to_string(item.comparison->arm)), escape_markdown(item.name),
                          points_text(paired.difference, paired.ci95), std::to_string(paired.gained),
                          std::to_string(paired.lost), fmt::format("{:.2g}", paired.mcnemar_p),
                          fmt::format("{:.2g}", paired.permutation_p), fmt::format("{:.2g}", paired.holm_p)});
  }
  return text +
         "\nThe same questions under both; changes in points. *p (clusters)* is an exact sign-flip test over original "
         "problems, *p (Holm)* the same corrected for all rows.\n";
}

std::string markdown_report(const StoredRun& run) {
  const Results& results = run.results;
  return fmt::format("# {} on {}\n\n", escape_markdown(results.model), escape_markdown(results.dataset)) +
         arms_section(results) + ratio_section(results) + composition_section(results) +
         markdown_comparisons("Interventions compared", name_comparisons(results)) + epochs_section(results) +
         types_section(results) + facts_section(run.run);
}

}  // namespace mathtrap

#include "reports/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "reports/format.h"

namespace mathtrap {
namespace {

/// Characters, not bytes: continuation bytes of UTF-8 do not count.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string padded(const std::string& text, std::size_t width, Align align) {
  const std::string blanks(width - std::min(width, width_of(text)), ' ');
  return align == Align::left ? text + blanks : blanks + text;
}

std::string verdict_counts(const Group& group) {
  std::string text;
  for (const Verdict verdict : verdicts_of(group.arm)) {
    const std::size_t count = count_of(group, verdict);
    if (count == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : " · ", count, words(verdict));
  }
  return text;
}

std::string accuracy_of(const Group* group) {
  return group == nullptr ? "–" : percent(group->accuracy.value);
}

std::string arms_table(const Results& results) {
  std::vector<std::vector<std::string>> rows;
  for (const Group* group : overall_groups(results)) {
    rows.push_back({std::string(to_string(group->arm)), group->intervention, std::to_string(group->accuracy.n),
                    percent(group->accuracy.value), percent_range(group->accuracy.ci95), verdict_counts(*group)});
  }
  return render_table(
      {{"arm"}, {"intervention"}, {"n", Align::right}, {"correct", Align::right}, {"95%", Align::right}, {"verdicts"}},
      rows);
}

std::string types_table(const Results& results) {
  std::vector<std::vector<std::string>> rows;
  for (const TypeRow& row : type_rows(results)) {
    const Group* trap = find_group(results, Arm::trap, row.intervention, row.type);
    rows.push_back({words(row.type), row.intervention, std::to_string(trap->accuracy.n),
                    accuracy_of(find_group(results, Arm::original, row.intervention, row.type)),
                    accuracy_of(find_group(results, Arm::conceptual, row.intervention, row.type)), accuracy_of(trap),
                    percent_range(trap->accuracy.ci95)});
  }
  if (rows.empty()) return {};
  return render_table({{"trap type"},
                       {"intervention"},
                       {"traps", Align::right},
                       {"original", Align::right},
                       {"concept", Align::right},
                       {"trap", Align::right},
                       {"95%", Align::right}},
                      rows);
}

std::string composition_table(const Results& results) {
  std::vector<std::vector<std::string>> rows;
  for (const Composition& composition : results.compositions) {
    rows.push_back({composition.intervention, kind_of(composition),
                    fmt::format("{} of {}", composition.owned.successes, composition.items),
                    accuracy_text(composition.composed), percent(composition.trap.value),
                    percent(composition.independent), points_text(composition.gap, composition.gap_ci95)});
  }
  if (rows.empty()) return {};
  return render_table({{"composition"},
                       {"kind"},
                       {"owns both", Align::right},
                       {"composes of these", Align::right},
                       {"trap", Align::right},
                       {"if independent", Align::right},
                       {"gap", Align::right}},
                      rows);
}

std::string epochs_table(const Results& results) {
  std::vector<std::vector<std::string>> rows;
  for (const EpochResults& epochs : results.epochs) {
    rows.push_back({std::string(to_string(epochs.arm)), epochs.intervention, std::to_string(epochs.epochs),
                    accuracy_text(epochs.mean), accuracy_text(epochs.majority), pass_text(epochs)});
  }
  if (rows.empty()) return {};
  return render_table({{"arm"},
                       {"intervention"},
                       {"epochs", Align::right},
                       {"mean", Align::right},
                       {"majority", Align::right},
                       {"pass@k"}},
                      rows);
}

}  // namespace

std::string render_table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::size_t width = width_of(columns[i].title);
    for (const auto& row : rows) width = std::max(width, width_of(row[i]));
    widths.push_back(width);
  }
  std::string text;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) line += padded(cells[i], widths[i], columns[i].align) + "  ";
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  std::vector<std::string> titles;
  std::vector<std::string> rules;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    titles.push_back(columns[i].title);
    std::string rule;
    for (std::size_t j = 0; j < widths[i]; ++j) rule += "─";
    rules.push_back(rule);
  }
  add_line(titles);
  add_line(rules);
  for (const auto& row : rows) add_line(row);
  return text;
}

std::string results_table(const Results& results) {
  std::string text = fmt::format("{} on {}\n\n", results.model, results.dataset) + arms_table(results);
  if (!results.ratios.empty()) text += "\n";
  for (const InterventionRatio& entry : results.ratios) {
    text += fmt::format("trap / original, {}: {}\n", entry.intervention, ratio_text(entry.ratio));
  }
  for (const std::string& table : {composition_table(results), epochs_table(results)}) {
    if (!table.empty()) text += fmt::format("\n{}", table);
  }
  if (!results.comparisons.empty()) text += "\n";
  for (const ConditionComparison& item : results.comparisons) {
    // Conceptual questions are asked as they are under every intervention.
    if (item.arm == Arm::conceptual) continue;
    const PairedComparison& paired = item.paired;
    text += fmt::format("{} → {}, {}: {:+.1f} points ({:+.1f} to {:+.1f}), p = {:.2g} after Holm\n", item.before,
                        item.after, to_string(item.arm), 100 * paired.difference, 100 * paired.ci95.low,
                        100 * paired.ci95.high, paired.holm_p);
  }
  const std::string types = types_table(results);
  return types.empty() ? text : text + "\n" + types;
}

}  // namespace mathtrap

#include "reports/overview.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "reports/format.h"
#include "reports/html_page.h"
#include "reports/html_sections.h"
#include "reports/markdown.h"
#include "reports/table.h"
#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

/// A row of the table: one figure of every run.
struct FigureRow {
  std::string name;  ///< "trap", "trap / original", "composes, of the owned"
  std::string intervention;
  std::vector<std::string> figures;               ///< one of each run
  std::vector<std::optional<Proportion>> shares;  ///< the same where they can be drawn as a bar
};

std::string letter(std::size_t run) {
  return std::string(1, static_cast<char>('A' + run));
}

std::string title_of(const NamedRun& named) {
  return fmt::format("{} on {}", named.run.results.model, named.run.results.dataset);
}

/// Arms and interventions of all runs, arms outermost, in the order in which they first appear.
std::vector<std::pair<Arm, std::string>> conditions_of(const Overview& overview) {
  std::vector<std::pair<Arm, std::string>> conditions;
  for (const NamedRun& named : overview.runs) {
    for (const Group* group : overall_groups(named.run.results)) {
      const std::pair<Arm, std::string> condition{group->arm, group->intervention};
      if (std::find(conditions.begin(), conditions.end(), condition) == conditions.end())
        conditions.push_back(condition);
    }
  }
  std::stable_sort(conditions.begin(), conditions.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  return conditions;
}

std::vector<std::string> interventions_of(const Overview& overview) {
  std::vector<std::string> names;
  for (const auto& condition : conditions_of(overview)) {
    if (std::find(names.begin(), names.end(), condition.second) == names.end()) names.push_back(condition.second);
  }
  return names;
}

template <typename Entry>
const Entry* find_entry(const std::vector<Entry>& entries, const std::string& intervention) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.intervention == intervention; });
  return found == entries.end() ? nullptr : &*found;
}

void add_share(FigureRow& row, const Proportion* share) {
  row.figures.push_back(share == nullptr ? "–" : accuracy_text(*share));
  row.shares.push_back(share == nullptr ? std::nullopt : std::optional<Proportion>(*share));
}

bool says_something(const FigureRow& row) {
  return std::any_of(row.figures.begin(), row.figures.end(), [](const std::string& figure) { return figure != "–"; });
}

std::vector<FigureRow> figure_rows(const Overview& overview) {
  std::vector<FigureRow> rows;
  for (const auto& condition : conditions_of(overview)) {
    FigureRow row{std::string(to_string(condition.first)), condition.second, {}, {}};
    for (const NamedRun& named : overview.runs) {
      const Group* group = find_group(named.run.results, condition.first, condition.second, std::nullopt);
      add_share(row, group == nullptr ? nullptr : &group->accuracy);
    }
    rows.push_back(std::move(row));
  }
  for (const std::string& intervention : interventions_of(overview)) {
    FigureRow ratio{"trap / original", intervention, {}, {}};
    FigureRow composed{"composes, of the owned", intervention, {}, {}};
    FigureRow gap{"gap to independence", intervention, {}, {}};
    for (const NamedRun& named : overview.runs) {
      const auto* entry = find_entry(named.run.results.ratios, intervention);
      ratio.figures.push_back(entry == nullptr ? "–" : ratio_text(entry->ratio));
      const auto* composition = find_entry(named.run.results.compositions, intervention);
      add_share(composed, composition == nullptr ? nullptr : &composition->composed);
      gap.figures.push_back(composition == nullptr ? "–" : points_text(composition->gap, composition->gap_ci95));
    }
    for (FigureRow* row : {&ratio, &composed, &gap}) {
      row->shares.resize(overview.runs.size());
      if (says_something(*row)) rows.push_back(std::move(*row));
    }
  }
  return rows;
}

std::vector<NamedComparison> named_comparisons(const Overview& overview) {
  std::vector<NamedComparison> named;
  for (std::size_t i = 0; i < overview.comparisons.size(); ++i) {
    for (const ConditionComparison& row : overview.comparisons[i].rows) {
      named.push_back({fmt::format("{}: A → {}", row.after, letter(i + 1)), &row, true});
    }
  }
  return named;
}

/// Which runs are not paired with the first, and how many questions only one of both has.
std::vector<std::string> pairing_notes(const Overview& overview) {
  std::vector<std::string> notes;
  for (std::size_t i = 0; i < overview.comparisons.size(); ++i) {
    const RunComparison& comparison = overview.comparisons[i];
    if (comparison.rows.empty()) {
      notes.push_back(fmt::format("{} is not paired with A: other data, or no question in common.", letter(i + 1)));
    } else if (comparison.only_before + comparison.only_after > 0) {
      notes.push_back(fmt::format("Only in A: {} replies; only in {}: {}.", comparison.only_before, letter(i + 1),
                                  comparison.only_after));
    }
  }
  return notes;
}

std::string runs_section(const Overview& overview) {
  std::string html = "<h2>The runs</h2><dl class=\"facts\">";
  for (std::size_t i = 0; i < overview.runs.size(); ++i) {
    html += fmt::format("<div><dt><b>{}</b></dt><dd>{}<br><span class=\"faint\">{}</span></dd></div>", letter(i),
                        escape_html(title_of(overview.runs[i])), escape_html(overview.runs[i].folder));
  }
  return html + "</dl>\n";
}

std::string figures_section(const Overview& overview) {
  std::string html = "<h2>Side by side</h2><div class=\"scroll\"><table><thead><tr><th></th><th>intervention</th>";
  for (std::size_t i = 0; i < overview.runs.size(); ++i) html += fmt::format("<th>{}</th>", letter(i));
  html += "</tr></thead><tbody>";
  std::string previous;
  for (const FigureRow& row : figure_rows(overview)) {
    html +=
        fmt::format("<tr{}><td>{}</td><td>{}</td>", row.name != previous && !previous.empty() ? " class=\"first\"" : "",
                    row.name, escape_html(row.intervention));
    for (std::size_t i = 0; i < row.figures.size(); ++i) {
      html += html_cell(row.figures[i] + (row.shares[i] ? accuracy_bar(*row.shares[i]) : ""), false);
    }
    html += "</tr>";
    previous = row.name;
  }
  return html + "</tbody></table></div><p class=\"sub\">95% intervals; those of ratios by MOVER-R.</p>\n";
}

std::string page_title(const Overview& overview) {
  if (overview.runs.empty()) return overview.charts.size() == 1 ? escape_html(overview.charts.front().title) : "Charts";
  return overview.runs.size() == 1 ? escape_html(title_of(overview.runs.front()))
                                   : fmt::format("{} runs", overview.runs.size());
}

}  // namespace

Overview make_overview(std::vector<NamedRun> runs, std::vector<Chart> charts, bool different_data) {
  if (runs.size() > kMaxRunsSideBySide) {
    throw Error(fmt::format("{} runs; at most {} stand side by side", runs.size(), kMaxRunsSideBySide));
  }
  Overview overview{std::move(runs), {}, std::move(charts)};
  for (std::size_t i = 1; i < overview.runs.size(); ++i) {
    const StoredRun& first = overview.runs.front().run;
    const StoredRun& other = overview.runs[i].run;
    overview.comparisons.push_back(different_data || same_data(first, other) ? pair_runs(first, other)
                                                                             : RunComparison{});
  }
  correct_by_holm(overview.comparisons);
  return overview;
}

std::string overview_table(const Overview& overview) {
  if (overview.runs.empty()) return {};
  std::string text;
  std::vector<Column> columns = {{""}, {"intervention"}};
  for (std::size_t i = 0; i < overview.runs.size(); ++i) {
    text += fmt::format("{}: {} ({})\n", letter(i), title_of(overview.runs[i]), overview.runs[i].folder);
    columns.push_back({letter(i), Align::right});
  }
  std::vector<std::vector<std::string>> rows;
  for (const FigureRow& row : figure_rows(overview)) {
    rows.push_back({row.name, row.intervention});
    rows.back().insert(rows.back().end(), row.figures.begin(), row.figures.end());
  }
  text += fmt::format("\n{}", render_table(columns, rows));
  const std::vector<NamedComparison> comparisons = named_comparisons(overview);
  if (!comparisons.empty()) text += "\n";
  for (const NamedComparison& item : comparisons) {
    text += fmt::format("{}, {}: {} points, p = {:.2g} after Holm\n", item.name, to_string(item.comparison->arm),
                        points_text(item.comparison->paired.difference, item.comparison->paired.ci95),
                        item.comparison->paired.holm_p);
  }
  for (const std::string& line : pairing_notes(overview)) text += line + "\n";
  return text;
}

std::string markdown_overview(const Overview& overview) {
  std::string text = overview.runs.empty() ? "# Charts\n" : fmt::format("# {} runs\n\n", overview.runs.size());
  std::vector<std::string> head = {"", "intervention"};
  std::vector<std::string> rule = {"---", "---"};
  for (std::size_t i = 0; i < overview.runs.size(); ++i) {
    text += fmt::format("- **{}**: {} ({})\n", letter(i), escape_markdown(title_of(overview.runs[i])),
                        escape_markdown(overview.runs[i].folder));
    head.push_back(letter(i));
    rule.emplace_back("--:");
  }
  if (!overview.runs.empty()) text += fmt::format("\n{}{}", markdown_row(head), markdown_row(rule));
  for (const FigureRow& row : figure_rows(overview)) {
    std::vector<std::string> cells = {row.name, escape_markdown(row.intervention)};
    cells.insert(cells.end(), row.figures.begin(), row.figures.end());
    text += markdown_row(cells);
  }
  text += markdown_comparisons("Runs compared", named_comparisons(overview));
  for (const std::string& line : pairing_notes(overview)) text += fmt::format("\n{}\n", line);
  for (const Chart& chart : overview.charts) {
    text += fmt::format("\n## {}\n\n", escape_markdown(chart.title));
    if (chart.curves) {
      text += fmt::format("![{}](<{}.svg>)\n", escape_markdown(chart.title), chart.name);
      continue;
    }
    text += markdown_row({escape_markdown(chart.x_label), "series", escape_markdown(chart.y_label), "95% interval"}) +
            markdown_row({"--:", "---", "--:", "--:"});
    for (const ChartPoint& point : chart.points) {
      text += markdown_row({fmt::format("{}", point.x), escape_markdown(point.series), chart_value(chart, point.value),
                            point.ci95 ? percent_range(*point.ci95) : "–"});
    }
  }
  return text;
}

std::string html_overview(const Overview& overview) {
  const std::string title = page_title(overview);
  std::string body = fmt::format("<h1>{}</h1>\n", title);
  if (!overview.runs.empty()) body += runs_section(overview) + figures_section(overview);
  body += comparisons_section("Runs compared", named_comparisons(overview));
  for (const std::string& line : pairing_notes(overview)) body += fmt::format("<p class=\"sub\">{}</p>\n", line);
  for (const Chart& chart : overview.charts) body += chart_section(chart);
  return html_page(title, body, "");
}

ReportFiles write_overview(const Overview& overview, const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error(fmt::format("{}: cannot create the folder: {}", folder.string(), error.message()));
  ReportFiles files{folder / "overview.md", folder / "overview.html"};
  write_file_atomically(files.markdown, markdown_overview(overview));
  write_file_atomically(files.html, html_overview(overview));
  for (const Chart& chart : overview.charts) {
    write_file_atomically(folder / fmt::format("{}.svg", chart.name), chart_svg(chart));
  }
  return files;
}

}  // namespace mathtrap

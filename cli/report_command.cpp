// mathtrap report: makes the reports of stored runs again, and puts several side by side.
#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "harness/run_store.h"
#include "reports/overview.h"
#include "reports/reports.h"
#include "reports/table.h"
#include "support/error.h"

namespace mathtrap {
namespace {

struct ReportOptions {
  std::vector<std::string> runs;
  std::vector<std::string> charts;
  std::string out = ".";
  bool different_data = false;
};

std::vector<Chart> read_charts(const std::vector<std::string>& files) {
  std::vector<Chart> charts;
  std::set<std::string> names;
  for (const std::string& file : files) {
    charts.push_back(read_chart(file));
    if (!names.insert(charts.back().name).second) {
      throw Error(fmt::format("--chart {}: a chart of the name {} is there already", file, charts.back().name));
    }
  }
  return charts;
}

void print_json(const Overview& overview, const std::vector<ReportFiles>& reports, const Json& page) {
  Json runs = Json::array();
  for (std::size_t i = 0; i < overview.runs.size(); ++i) {
    Json results = to_json(overview.runs[i].run.results);
    results["log_dir"] = overview.runs[i].folder;
    results["report"] = reports[i].html.string();
    runs.push_back(std::move(results));
  }
  Json comparisons = Json::array();
  for (std::size_t i = 0; i < overview.comparisons.size(); ++i) {
    Json rows = Json::array();
    for (const ConditionComparison& row : overview.comparisons[i].rows) rows.push_back(to_json(row));
    comparisons.push_back(
        {{"before", overview.runs.front().folder}, {"after", overview.runs[i + 1].folder}, {"rows", rows}});
  }
  fmt::print("{}\n", Json({{"runs", runs}, {"comparisons", comparisons}, {"overview", page}})
                         .dump(-1, ' ', false, Json::error_handler_t::replace));
}

int report(const ReportOptions& options, const CommonOptions& common) {
  if (options.runs.empty() && options.charts.empty()) {
    throw Error("report: nothing to show; name folders of runs, or points of a chart with --chart");
  }
  std::vector<NamedRun> runs;
  for (const std::string& folder : options.runs) runs.push_back({folder, read_run(folder)});
  const Overview overview = make_overview(std::move(runs), read_charts(options.charts), options.different_data);
  std::vector<ReportFiles> reports;
  for (const NamedRun& named : overview.runs) reports.push_back(write_reports(named.run, named.folder));
  const bool has_page = overview.runs.size() > 1 || !overview.charts.empty();
  const ReportFiles page = has_page ? write_overview(overview, options.out) : ReportFiles{};
  if (common.json) {
    print_json(overview, reports, has_page ? Json(page.html.string()) : Json());
    return 0;
  }
  fmt::print("{}", overview.runs.size() == 1 ? results_table(overview.runs.front().run.results) + "\n"
                                             : overview_table(overview) + "\n");
  for (const ReportFiles& files : reports) fmt::print("report: {}\n", files.html.string());
  if (has_page) fmt::print("{}: {}\n", overview.runs.size() > 1 ? "side by side" : "charts", page.html.string());
  return 0;
}

}  // namespace

void add_report_command(CLI::App& program, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App* command = program.add_subcommand(
      "report", "Make the reports of stored runs again; several runs also side by side, and charts of points");
  add_common_options(*command, common);
  command->add_option("runs", options->runs, "Folders of runs; report.md and report.html there are made again");
  command->add_option("--chart", options->charts,
                      "Points to draw, .csv with the header x,series,value,lo,hi or .json (reports/chart.h); may be "
                      "given several times");
  command
      ->add_option("--out", options->out,
                   "Folder of overview.md, overview.html and charts as .svg, for several runs or a chart")
      ->capture_default_str();
  command->add_flag("--allow-different-data", options->different_data,
                    "Pair runs by the questions that both have, though the data sets differ");
  command->callback([options, &common, &action] { action = [options, &common] { return report(*options, common); }; });
}

}  // namespace mathtrap

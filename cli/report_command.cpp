// mathtrap report: makes the reports of stored runs again, puts several side by side, and draws curves of trainings.
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
#include "reports/training_curves.h"
#include "support/error.h"

namespace mathtrap {
namespace {

struct ReportOptions {
  std::vector<std::string> folders;
  std::vector<std::string> charts;
  std::string out = ".";
  bool different_data = false;
};

/// What the folders and files of the command line hold.
struct Shown {
  std::vector<NamedRun> runs;
  std::vector<Chart> charts;
  Json trainings = Json::array();  ///< {"folder","summary"} of each
};

Shown read_all(const ReportOptions& options) {
  Shown shown;
  std::set<std::string> names;
  const auto add_chart = [&](Chart chart, const std::string& source) {
    if (!names.insert(chart.name).second) {
      throw Error(fmt::format("{}: a chart of the name {} is there already", source, chart.name));
    }
    shown.charts.push_back(std::move(chart));
  };
  for (const std::string& folder : options.folders) {
    if (!is_training_folder(folder)) {
      shown.runs.push_back({folder, read_run(folder)});
      continue;
    }
    TrainingCurves curves = read_training_curves(folder);
    shown.trainings.push_back({{"folder", folder}, {"summary", curves.summary}});
    for (Chart& chart : curves.charts) add_chart(std::move(chart), folder);
  }
  for (const std::string& file : options.charts) add_chart(read_chart(file), "--chart " + file);
  return shown;
}

void print_json(const Overview& overview, const std::vector<ReportFiles>& reports, const Json& trainings,
                const Json& page) {
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
  fmt::print("{}\n", Json({{"runs", runs}, {"comparisons", comparisons}, {"trainings", trainings}, {"overview", page}})
                         .dump(-1, ' ', false, Json::error_handler_t::replace));
}

int report(const ReportOptions& options, const CommonOptions& common) {
  if (options.folders.empty() && options.charts.empty()) {
    throw Error("report: nothing to show; name folders of runs or trainings, or points of a chart with --chart");
  }
  Shown shown = read_all(options);
  const Overview overview = make_overview(std::move(shown.runs), std::move(shown.charts), options.different_data);
  std::vector<ReportFiles> reports;
  for (const NamedRun& named : overview.runs) reports.push_back(write_reports(named.run, named.folder));
  const bool has_page = overview.runs.size() > 1 || !overview.charts.empty();
  const ReportFiles page = has_page ? write_overview(overview, options.out) : ReportFiles{};
  if (common.json) {
    print_json(overview, reports, shown.trainings, has_page ? Json(page.html.string()) : Json());
    return 0;
  }
  for (const Json& training : shown.trainings) {
    fmt::print("{}: {}\n", training["folder"].get<std::string>(), training["summary"].get<std::string>());
  }
  if (overview.runs.size() == 1) fmt::print("{}\n", results_table(overview.runs.front().run.results));
  if (overview.runs.size() > 1) fmt::print("{}\n", overview_table(overview));
  for (const ReportFiles& files : reports) fmt::print("report: {}\n", files.html.string());
  if (has_page) fmt::print("{}: {}\n", overview.runs.size() > 1 ? "side by side" : "charts", page.html.string());
  return 0;
}

}  // namespace

void add_report_command(CLI::App& program, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App* command = program.add_subcommand(
      "report",
      "Make the reports of stored runs again; several runs also side by side; curves of trainings; charts of points");
  add_common_options(*command, common);
  command->add_option("folders", options->folders,
                      "Folders of runs, whose report.md and report.html are made again, and of trainings, whose curves "
                      "are drawn");
  command->add_option("--chart", options->charts,
                      "Points to draw, .csv with the header x,series,value,lo,hi or .json (reports/chart.h); may be "
                      "given several times");
  command
      ->add_option("--out", options->out,
                   "Folder of overview.md, overview.html and charts as .svg, for several runs, trainings or charts")
      ->capture_default_str();
  command->add_flag("--allow-different-data", options->different_data,
                    "Pair runs by the questions that both have, though the data sets differ");
  command->callback([options, &common, &action] { action = [options, &common] { return report(*options, common); }; });
}

}  // namespace mathtrap

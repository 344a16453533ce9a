// mathtrap compare: two runs on the same questions, paired.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "harness/comparison.h"
#include "harness/run_store.h"
#include "reports/overview.h"
#include "support/files.h"
#include "support/log.h"

namespace mathtrap {
namespace {

struct CompareOptions {
  std::string before;
  std::string after;
  bool different_data = false;
  std::size_t limit = 10;
  std::optional<double> fail_under;
  std::string html;
};

void print_changed(const ConditionComparison& row, std::size_t limit) {
  if (row.changed.empty()) return;
  fmt::print("\n{}, {}: {} of {} questions changed\n", to_string(row.arm), row.after, row.changed.size(), row.paired.n);
  for (std::size_t i = 0; i < row.changed.size() && i < limit; ++i) {
    const ChangedQuestion& changed = row.changed[i];
    fmt::print("  {}: {} → {}\n", changed.id, to_string(changed.before), to_string(changed.after));
  }
  if (row.changed.size() > limit) fmt::print("  … {} more; see --limit\n", row.changed.size() - limit);
}

void print_comparison(const RunComparison& comparison, const CompareOptions& options) {
  fmt::print("{} → {}\n\n{}", options.before, options.after, comparison_table(comparison.rows));
  fmt::print(
      "\nThe column clusters is the exact sign-flip test over original problems, Holm the same corrected for the {} "
      "rows.\n",
      comparison.rows.size());
  if (comparison.only_before + comparison.only_after > 0) {
    fmt::print("Only in the first run: {} questions; only in the second: {}.\n", comparison.only_before,
               comparison.only_after);
  }
  for (const ConditionComparison& row : comparison.rows) print_changed(row, options.limit);
}

void print_json(const RunComparison& comparison, const CompareOptions& options) {
  Json rows = Json::array();
  for (const ConditionComparison& row : comparison.rows) {
    Json json = to_json(row);
    json["changed"] = Json::array();
    for (const ChangedQuestion& changed : row.changed) {
      json["changed"].push_back(
          {{"id", changed.id}, {"before", to_string(changed.before)}, {"after", to_string(changed.after)}});
    }
    rows.push_back(std::move(json));
  }
  fmt::print("{}\n", Json({{"before", options.before},
                           {"after", options.after},
                           {"rows", rows},
                           {"only_before", comparison.only_before},
                           {"only_after", comparison.only_after}})
                         .dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// Whether traps are seen through less often than allowed, under any intervention.
bool falls_short(const RunComparison& comparison, double points) {
  for (const ConditionComparison& row : comparison.rows) {
    if (row.arm == Arm::trap && 100 * row.paired.difference < -points) return true;
  }
  return false;
}

int compare(const CompareOptions& options, const CommonOptions& common) {
  StoredRun before = read_run(options.before);
  StoredRun after = read_run(options.after);
  const RunComparison comparison = compare_runs(before, after, options.different_data);
  if (!options.html.empty()) {
    std::vector<NamedRun> runs;
    runs.push_back({options.before, std::move(before)});
    runs.push_back({options.after, std::move(after)});
    write_file_atomically(options.html, html_overview(make_overview(std::move(runs), {}, options.different_data)));
    note(fmt::format("page: {}", options.html));
  }
  common.json ? print_json(comparison, options) : print_comparison(comparison, options);
  return options.fail_under && falls_short(comparison, *options.fail_under) ? 1 : 0;
}

}  // namespace

void add_compare_command(CLI::App& program, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* command = program.add_subcommand("compare", "Compare two runs on the same questions, paired");
  add_common_options(*command, common);
  command->add_option("before", options->before, "Folder of a run")->required();
  command->add_option("after", options->after, "Folder of the run that is compared with it")->required();
  command->add_flag("--allow-different-data", options->different_data,
                    "Compare the questions that both have, though the data sets differ");
  command->add_option("--limit", options->limit, "Changed questions to show in each row")->capture_default_str();
  command->add_option("--fail-under", options->fail_under,
                      "Exit 1 when the second run's trap accuracy is more than so many points below the first's, under "
                      "any intervention");
  command->add_option("--html", options->html, "File for a page with both runs and what changed");
  command->callback([options, &common, &action] { action = [options, &common] { return compare(*options, common); }; });
}

}  // namespace mathtrap

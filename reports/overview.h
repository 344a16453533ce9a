// Several runs side by side, and charts.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/comparison.h"
#include "harness/run_store.h"
#include "reports/chart.h"
#include "reports/reports.h"

namespace mathtrap {

inline constexpr std::size_t kMaxRunsSideBySide = 12;

/// (The moves of a StoredRun throw nothing, but clang-tidy cannot see that.)
struct NamedRun {  // NOLINT(bugprone-exception-escape)
  std::string folder;
  StoredRun run;
};

struct Overview {
  std::vector<NamedRun> runs;  ///< named A, B, C, … in reports
  /// Of the second run, the third, … with the first; without rows where nothing is comparable. Holm over all rows.
  std::vector<RunComparison> comparisons;
  std::vector<Chart> charts;
};

/// Runs on other data than the first are paired by their questions only when `different_data` is true. Throws Error
/// when there are more than kMaxRunsSideBySide runs.
Overview make_overview(std::vector<NamedRun> runs, std::vector<Chart> charts, bool different_data);

/// For the terminal; the charts are left out.
std::string overview_table(const Overview& overview);
std::string markdown_overview(const Overview& overview);
/// One page that needs nothing but itself. Throws Error when the style of reports/page/ is not there.
std::string html_overview(const Overview& overview);

/// Writes overview.md, overview.html and, for each chart, its name with the ending .svg; makes the folder.
ReportFiles write_overview(const Overview& overview, const std::filesystem::path& folder);

}  // namespace mathtrap

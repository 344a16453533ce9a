// Writes the reports of a run into its folder.
#pragma once

#include <filesystem>

#include "harness/run_store.h"

namespace mathtrap {

struct ReportFiles {
  std::filesystem::path markdown;  ///< report.md
  std::filesystem::path html;      ///< report.html
};

ReportFiles write_reports(const StoredRun& run, const std::filesystem::path& folder);

}  // namespace mathtrap

#include "reports/reports.h"

#include "reports/html.h"
#include "reports/markdown.h"
#include "support/files.h"

namespace mathtrap {

ReportFiles write_reports(const StoredRun& run, const std::filesystem::path& folder) {
  ReportFiles files{folder / "report.md", folder / "report.html"};
  write_file_atomically(files.markdown, markdown_report(run));
  write_file_atomically(files.html, html_report(run));
  return files;
}

}  // namespace mathtrap

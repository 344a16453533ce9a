// The report as Markdown: the tables, without the replies.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/run_store.h"
#include "reports/format.h"

namespace mathtrap {

/// Text from outside within a table cell or line: no mark-up of its own.
std::string escape_markdown(std::string_view text);

/// "| a | b |" with a line end.
std::string markdown_row(const std::vector<std::string>& cells);

/// A table of paired comparisons; empty when there are none.
std::string markdown_comparisons(const std::string& title, std::span<const NamedComparison> comparisons);

std::string markdown_report(const StoredRun& run);

}  // namespace mathtrap

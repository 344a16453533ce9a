// The report as Markdown: the tables, without the replies.
#pragma once

#include <string>

#include "harness/run_store.h"

namespace mathtrap {

std::string markdown_report(const StoredRun& run);

}  // namespace mathtrap

// The report as one web page that needs nothing but itself: figures, bars, and every reply to browse.
#pragma once

#include <string>

#include "harness/run_store.h"

namespace mathtrap {

/// Replies beyond these are left to samples.jsonl: a browser has to hold the page.
inline constexpr std::size_t kMaxRepliesOnPage = 20000;

/// Style and script come from reports/page/. All text from models and data sets is escaped, and the page forbids itself
/// to load anything. Throws Error when the page's files are not there.
std::string html_report(const StoredRun& run);

}  // namespace mathtrap

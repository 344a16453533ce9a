// Sections that the page of a run and the page of several runs share.
#pragma once

#include <span>
#include <string>

#include "harness/results.h"
#include "reports/chart.h"
#include "reports/format.h"

namespace mathtrap {

/// An accuracy as a bar with its interval, and in words for those who do not see it.
std::string accuracy_bar(const Proportion& accuracy);

/// A table of paired comparisons. Empty when there are none.
std::string comparisons_section(const std::string& title, std::span<const NamedComparison> comparisons);

/// Composition item by item: spontaneous and passive, with the gap to independence. Empty when nothing was measured.
std::string composition_section(const Results& results);

/// Mean, majority and pass@k. Empty when each question was asked once.
std::string epochs_section(const Results& results);

/// A chart with its figures as a table below it.
std::string chart_section(const Chart& chart);

}  // namespace mathtrap

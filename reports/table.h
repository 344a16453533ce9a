// The table that ends a run in the terminal.
#pragma once

#include <string>

#include "harness/results.h"

namespace mathtrap {

/// Lines of at most about 100 columns: accuracy per arm and intervention, the ratio, and trap accuracy by type.
std::string results_table(const Results& results);

}  // namespace mathtrap

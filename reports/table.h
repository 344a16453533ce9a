// The table that ends a run in the terminal.
#pragma once

#include <string>
#include <vector>

#include "harness/results.h"

namespace mathtrap {

enum class Align { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
};

/// Titles, a rule and the rows, in columns as wide as they must be. Each row has a cell for each column.
std::string render_table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows);

/// Lines of at most about 100 columns: accuracy per arm and intervention, the ratio, composition, several epochs, the
/// interventions compared, and trap accuracy by type.
std::string results_table(const Results& results);

}  // namespace mathtrap

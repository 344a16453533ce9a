// The records of a set in another program's form, as text; export_dataset.h puts them into files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "datasets/export_dataset.h"
#include "datasets/record.h"

namespace mathtrap {

/// Some of a set in another form.
struct ExportedLines {
  std::vector<std::string> lines;  ///< a JSON object each
  std::vector<LeftOut> left_out;
};

ExportedLines ours(const std::vector<Record>& records);
ExportedLines mathtrap_triples(const std::vector<Record>& records);

/// A question of an arm and what it is judged by.
struct ArmItem {
  std::string id;  ///< "<record>/original", "<record>/concept.2"
  const Record* record = nullptr;
  std::string question;
  std::string target;  ///< the answer; of a trap its explanation; of a concept "true" or "false"
};

/// What an arm ("original", "trap", "concept") asks. An original without an answer is left out.
std::vector<ArmItem> arm_items(const std::vector<Record>& records, const std::string& arm,
                               std::vector<LeftOut>& left_out);

/// One line for a data file of lm-evaluation-harness, for one of Inspect's.
std::string lm_eval_line(const ArmItem& item);
std::string inspect_line(const ArmItem& item);

/// The task file of an arm, for the data file at `data`.
std::string lm_eval_task(const std::string& arm, const std::string& data);

}  // namespace mathtrap

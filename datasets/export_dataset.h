// Taking problems out, in the forms that other programs read.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "datasets/record.h"

namespace mathtrap {

struct ExportOptions {
  std::string format;                                               ///< of export_format_names()
  std::vector<std::string> arms = {"original", "trap", "concept"};  ///< the parts of the records to take
  std::string output;                                               ///< file of mathtrap and jsonl, else a fresh folder
};

struct LeftOut {
  std::string id;  ///< of the record
  std::string reason;
};

struct ExportResult {
  std::vector<std::pair<std::string, std::size_t>> written;  ///< each file, and how many lines or items it holds
  std::vector<LeftOut> left_out;
};

/// "mathtrap", "jsonl", "lm-eval", "inspect".
const std::vector<std::string>& export_format_names();

/// Writes the records as
///   jsonl     our exchange form;
///   mathtrap  the public set's array of triples: needs original, trap and type;
///   lm-eval   a folder for lm-evaluation-harness's --include_path: for each arm a task and its JSONL;
///   inspect   a folder with JSONL of samples for each arm, as Inspect's json_dataset loads them.
/// What cannot be written is named in `left_out`. The file or folder appears whole or not at all. Throws Error: an
/// unknown format or arm, two records of one id, a folder that exists, nothing to write.
ExportResult export_dataset(std::vector<Record> records, const ExportOptions& options);

}  // namespace mathtrap

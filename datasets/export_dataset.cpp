#include "datasets/export_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string_view>

#include "datasets/export_forms.h"
#include "datasets/field_names.h"
#include "datasets/record_set.h"
#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kArms = {"original", "trap", "concept"};

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void check_options(const ExportOptions& options) {
  if (!holds(export_format_names(), options.format)) {
    throw Error("--to: " + describe_unknown("format", options.format, export_format_names()));
  }
  for (const std::string& arm : options.arms) {
    if (!holds(kArms, arm)) throw Error("--arms: " + describe_unknown("arm", arm, kArms));
    if (std::count(options.arms.begin(), options.arms.end(), arm) > 1) {
      throw Error(fmt::format("--arms: {} is named twice", arm));
    }
  }
  if (options.format == "mathtrap" && (!holds(options.arms, "original") || !holds(options.arms, "trap"))) {
    throw Error("--arms: a triple of mathtrap holds both original and trap");
  }
}

/// Sets that are read one by one may name their records alike.
void refuse_equal_ids(const std::vector<Record>& records) {
  std::set<std::string_view> seen;
  for (const Record& record : records) {
    if (seen.insert(record.id).second) continue;
    throw Error(fmt::format("{} is the id of two records; export their data sets apart", record.id));
  }
}

/// The records with the parts that are wanted; a proof is about original and trap together.
std::vector<Record> with_arms(std::vector<Record> records, const std::vector<std::string>& arms,
                              std::vector<LeftOut>& left_out) {
  std::vector<Record> kept;
  for (Record& record : records) {
    if (!holds(arms, "original")) record.original.reset();
    if (!holds(arms, "concept")) record.concepts.clear();
    if (!holds(arms, "trap")) {
      record.trap.reset();
      record.trap_type.reset();
    }
    if (!holds(arms, "original") || !holds(arms, "trap")) record.proof = {};
    if (record.original || record.trap || !record.concepts.empty()) {
      kept.push_back(std::move(record));
    } else {
      left_out.push_back({record.id, "it has none of these arms"});
    }
  }
  return kept;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text.append(line) += '\n';
  return text;
}

/// An array with an element a line.
std::string array_of(const std::vector<std::string>& lines) {
  return fmt::format("[\n{}\n]\n", fmt::join(lines, ",\n"));
}

void write_one_file(const std::vector<Record>& records, const ExportOptions& options, ExportResult& result) {
  const bool triples = options.format == "mathtrap";
  ExportedLines exported = triples ? mathtrap_triples(records) : ours(records);
  result.left_out.insert(result.left_out.end(), exported.left_out.begin(), exported.left_out.end());
  if (exported.lines.empty()) throw Error("there is nothing to write: no record can be put in this form");
  write_file_atomically(options.output, triples ? array_of(exported.lines) : joined(exported.lines));
  result.written.emplace_back(options.output, exported.lines.size());
}

void write_folder(const std::vector<Record>& records, const ExportOptions& options, ExportResult& result) {
  const bool lm_eval = options.format == "lm-eval";
  AtomicFolder folder(options.output);
  for (const std::string& arm : options.arms) {
    const std::vector<ArmItem> items = arm_items(records, arm, result.left_out);
    if (items.empty()) continue;
    std::vector<std::string> lines;
    for (const ArmItem& item : items) lines.push_back(lm_eval ? lm_eval_line(item) : inspect_line(item));
    const std::string name = arm + ".jsonl";
    const fs::path place = fs::path(options.output) / name;
    folder.write(name, joined(lines));
    if (lm_eval) folder.write(arm + ".yaml", lm_eval_task(arm, fs::absolute(place).lexically_normal().string()));
    result.written.emplace_back(place.string(), lines.size());
  }
  if (result.written.empty()) throw Error("there is nothing to write: the records have none of these arms");
  folder.commit();
}

}  // namespace

const std::vector<std::string>& export_format_names() {
  static const std::vector<std::string> names = {"mathtrap", "jsonl", "lm-eval", "inspect"};
  return names;
}

ExportResult export_dataset(std::vector<Record> records, const ExportOptions& options) {
  check_options(options);
  refuse_equal_ids(records);
  share_clusters(records);
  ExportResult result;
  records = with_arms(std::move(records), options.arms, result.left_out);
  if (options.format == "mathtrap" || options.format == "jsonl") {
    write_one_file(records, options, result);
  } else {
    write_folder(records, options, result);
  }
  return result;
}

}  // namespace mathtrap

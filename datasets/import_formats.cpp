#include "datasets/import_formats.h"

#include <algorithm>
#include <cstddef>

#include "datasets/field_names.h"

namespace mathtrap {
namespace {

/// In this order: an object may have the fields of a later kind in addition.
const std::vector<ImportFormat>& formats() {
  static const std::vector<ImportFormat> table = {
      {"mathtrap", {"category", "trap_problem", "original_problem"}, import_mathtrap_triple},
      {"mathtrap", {"query", "response"}, import_mathtrap_query},
      {"mathtrap300", {"trap", "annotation"}, import_mathtrap300},
      {"mathtrap300", {"trap", "human_annotation"}, import_mathtrap300},
      {"mathtrap300", {"trap_problem", "annotation"}, import_mathtrap300},
      {"mathtrap300", {"trap_problem", "human_annotation"}, import_mathtrap300},
      {"jsonl", {"id", "original"}, import_ours},
      {"jsonl", {"id", "trap"}, import_ours},
      {"jsonl", {"id", "concept"}, import_ours},
      {"umwp", {"question", "answerable"}, import_umwp},
      {"gsm-plus", {"question", "perturbation_type"}, import_gsm_plus},
      {"mathcheck", {"question", "task_type"}, import_mathcheck},
      {"reliablemath", {"question", "rewritten_question"}, import_reliablemath},
      {"reliablemath", {"question", "ground_truth"}, import_reliablemath},
      {"mip", {"insufficient_question"}, import_mip},
      {"mip", {"question", "solution", "unique_id"}, import_mip},
      {"valimath", {"question", "condition_complete_check"}, import_valimath},
      {"svamp", {"Body", "Question"}, import_svamp},
      {"math-perturb", {"problem", "original_split"}, import_math_perturb},
      {"treecut", {"problem", "proof"}, import_treecut},
      {"math", {"problem", "solution"}, import_math},
      {"mathtrap", {"category", "question", "answer"}, import_gsm8k},
      {"gsm8k", {"question", "answer"}, import_gsm8k},
  };
  return table;
}

std::size_t count_fields(const ImportFormat& format, const Json& object) {
  return static_cast<std::size_t>(
      std::count_if(format.fields.begin(), format.fields.end(),
                    [&](std::string_view field) { return object.contains(std::string(field)); }));
}

}  // namespace

const std::vector<std::string>& import_format_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> listed;
    for (const ImportFormat& format : formats()) {
      if (std::find(listed.begin(), listed.end(), format.name) == listed.end()) listed.emplace_back(format.name);
    }
    return listed;
  }();
  return names;
}

void check_import_format(std::string_view name) {
  const auto& names = import_format_names();
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  std::vector<std::string> known = names;
  known.emplace_back("auto");
  throw Error(describe_unknown("format", name, known));
}

const ImportFormat* recognise_format(const Json& object) {
  for (const ImportFormat& format : formats()) {
    if (count_fields(format, object) == format.fields.size()) return &format;
  }
  return nullptr;
}

const ImportFormat& nearest_format(std::string_view name, const Json& object) {
  const ImportFormat* nearest = nullptr;
  std::size_t most = 0;
  for (const ImportFormat& format : formats()) {
    if (format.name != name) continue;
    const std::size_t count = count_fields(format, object);
    if (count == format.fields.size()) return format;
    if (nearest == nullptr || count > most) {
      nearest = &format;
      most = count;
    }
  }
  return *nearest;
}

}  // namespace mathtrap

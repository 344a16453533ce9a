#include "datasets/export_forms.h"

#include <fmt/format.h>

#include <cctype>
#include <utility>

#include "datasets/importers.h"
#include "datasets/reference_answer.h"
#include "support/files.h"
#include "support/json.h"

namespace mathtrap {
namespace {

/// "concept_undefined" → "Concept Undefined", as the paper writes it.
std::string paper_name(TrapType type) {
  std::string name(to_string(type));
  bool first = true;
  for (char& c : name) {
    if (first) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    first = c == '_';
    if (first) c = ' ';
  }
  return name;
}

/// The solution with a final answer that is read back as the record's; nothing where the answer cannot be marked.
std::optional<std::string> marked_solution(const Original& original) {
  std::string solution = original.solution;
  if (reference_answer(solution) == original.answer) return solution;
  solution += fmt::format("{}#### {}", solution.empty() ? "" : "\n", original.answer);
  if (reference_answer(solution) != original.answer) return std::nullopt;
  return solution;
}

std::string why_no_triple(const Record& record) {
  if (!record.original) return "it has no original";
  if (!record.trap) return "it has no trap";
  if (!record.trap_type) return "its trap has no type";
  if (record.original->answer.empty()) return "its original has no answer";
  if (!marked_solution(*record.original)) return "its answer cannot be marked in a solution";
  return "";
}

Json triple(const Record& record) {
  Json json = Json::object();
  json["category"] = record.topic;
  json["trap_problem"] = record.trap->problem;
  json["human_annotation"] =
      record.trap->explanation.empty() ? std::string(explanation_of(record.trap_type)) : record.trap->explanation;
  json["trap_type"] = paper_name(*record.trap_type);
  json["original_problem"] = record.original->problem;
  json["original_solution"] = *marked_solution(*record.original);
  return json;
}

void add_concepts(const Record& record, std::vector<ArmItem>& items) {
  for (std::size_t i = 0; i < record.concepts.size(); ++i) {
    const Concept& question = record.concepts[i];
    items.push_back({fmt::format("{}/concept.{}", record.id, i + 1), &record, question.question,
                     question.answer ? "true" : "false"});
  }
}

Json metadata(const Record& record) {
  Json json = Json::object();
  json["record"] = record.id;
  json["cluster"] = record.cluster;
  json["topic"] = record.topic;
  json["trap_type"] = record.trap_type ? Json(to_string(*record.trap_type)) : Json();
  return json;
}

/// A YAML scalar in single quotes, in which only they are escaped.
std::string yaml_string(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    quoted += c;
    if (c == '\'') quoted += c;
  }
  return quoted + '\'';
}

}  // namespace

ExportedLines ours(const std::vector<Record>& records) {
  ExportedLines exported;
  for (const Record& record : records) exported.lines.push_back(write_json_record(record));
  return exported;
}

ExportedLines mathtrap_triples(const std::vector<Record>& records) {
  ExportedLines exported;
  for (const Record& record : records) {
    const std::string reason = why_no_triple(record);
    if (reason.empty()) {
      exported.lines.push_back(triple(record).dump());
    } else {
      exported.left_out.push_back({record.id, reason});
    }
  }
  return exported;
}

std::vector<ArmItem> arm_items(const std::vector<Record>& records, const std::string& arm,
                               std::vector<LeftOut>& left_out) {
  std::vector<ArmItem> items;
  for (const Record& record : records) {
    if (arm == "concept") {
      add_concepts(record, items);
    } else if (arm == "trap" && record.trap) {
      items.push_back({record.id + "/trap", &record, record.trap->problem, record.trap->explanation});
    } else if (arm == "original" && record.original && record.original->answer.empty()) {
      left_out.push_back({record.id, "its original has no answer"});
    } else if (arm == "original" && record.original) {
      items.push_back({record.id + "/original", &record, record.original->problem, record.original->answer});
    }
  }
  return items;
}

std::string lm_eval_line(const ArmItem& item) {
  Json json = Json::object();
  json["id"] = item.id;
  json["question"] = item.question;
  json["answer"] = item.target;
  json.update(metadata(*item.record));
  return json.dump();
}

std::string inspect_line(const ArmItem& item) {
  Json json = Json::object();
  json["id"] = item.id;
  json["input"] = item.question;
  json["target"] = item.target;
  json["metadata"] = metadata(*item.record);
  return json.dump();
}

std::string lm_eval_task(const std::string& arm, const std::string& data) {
  constexpr std::string_view kData = "@DATA@";
  std::string task = read_file(resource(fmt::format("datasets/lm_eval/{}.yaml.in", arm)));
  task.replace(task.find(kData), kData.size(), yaml_string(data));
  return task;
}

}  // namespace mathtrap

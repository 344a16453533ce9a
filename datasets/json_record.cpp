// The exchange form of a record: one JSON object a line.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "datasets/evidence.h"
#include "datasets/field_names.h"
#include "datasets/importers.h"
#include "datasets/record.h"
#include "support/json.h"

namespace mathtrap {
namespace {

/// Absent parts are empty texts; they are left out.
void put(Json& object, const char* field, const std::string& text) {
  if (!text.empty()) object[field] = text;
}

Json original_json(const Original& original) {
  Json json = Json::object();
  json["problem"] = original.problem;
  put(json, "solution", original.solution);
  put(json, "answer", original.answer);
  return json;
}

Json trap_json(const Trap& trap) {
  Json json = Json::object();
  json["problem"] = trap.problem;
  put(json, "explanation", trap.explanation);
  if (!trap.evidence.empty()) json["evidence"] = trap.evidence;
  return json;
}

Json concept_json(const Concept& question) {
  Json json = Json::object();
  json["question"] = question.question;
  json["answer"] = question.answer;
  put(json, "solution", question.solution);
  return json;
}

Json proof_json(const Proof& proof) {
  Json json = Json::object();
  put(json, "givens", proof.givens);
  put(json, "original", proof.original);
  put(json, "trap", proof.trap);
  put(json, "requirement", proof.requirement);
  put(json, "common_sense", proof.common_sense);
  put(json, "defined", proof.defined);
  put(json, "ask", proof.ask);
  put(json, "unproved", proof.unproved);
  return json;
}

const std::vector<std::string> kRecordFields = {"id",       "topic", "cluster", "family", "trap_type",
                                                "original", "trap",  "concept", "proof",  "flaw"};

Json flaw_json(const ProvedFlaw& flaw) {
  Json json = Json::object();
  for (const CoreStatement& item : flaw.core) {
    Json statement = {{"statement", item.statement}};
    put(statement, "sentence", item.sentence);
    json["core"].push_back(std::move(statement));
  }
  if (!flaw.answers.empty()) json["answers"] = flaw.answers;
  return json;
}

void refuse_unknown_fields(const Json& object, const std::vector<std::string>& known, const Place& place) {
  if (!object.is_object()) fail(place, "a JSON object is wanted");
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) fail(place, describe_unknown("field", key, known));
  }
}

std::string optional_string(const Json& object, const std::string& field, const Place& place) {
  return object.contains(field) ? json_string(object, field, place) : "";
}

/// A text that must be there and say something.
std::string required_string(const Json& object, const std::string& field, const Place& place) {
  std::string text = json_string(object, field, place);
  if (text.find_first_not_of(" \t\r\n") == std::string::npos)
    fail(place, fmt::format("the field \"{}\" is empty", field));
  return text;
}

Place inside(const Place& place, const std::string& field) {
  return {place.file, place.line, field};
}

Original parse_original(const Json& json, const Place& place) {
  refuse_unknown_fields(json, {"problem", "solution", "answer"}, place);
  return {required_string(json, "problem", place), optional_string(json, "solution", place),
          optional_string(json, "answer", place)};
}

Trap parse_trap(const Json& json, const Place& place) {
  refuse_unknown_fields(json, {"problem", "explanation", "evidence"}, place);
  Trap trap{required_string(json, "problem", place), optional_string(json, "explanation", place), {}};
  if (!json.contains("evidence")) return trap;
  const Json& evidence = json["evidence"];
  if (!evidence.is_array()) fail(place, "the field \"evidence\" is not a list of strings");
  for (const Json& pattern : evidence) {
    if (!pattern.is_string()) fail(place, "the field \"evidence\" is not a list of strings");
    trap.evidence.push_back(pattern.get<std::string>());
    check_evidence(trap.evidence.back(), inside(place, "trap.evidence"));
  }
  return trap;
}

std::vector<Concept> parse_concepts(const Json& json, const Place& place) {
  if (!json.is_array()) fail(place, "a list of conceptual questions is wanted");
  std::vector<Concept> concepts;
  for (const Json& item : json) {
    refuse_unknown_fields(item, {"question", "answer", "solution"}, place);
    concepts.push_back({required_string(item, "question", place), json_bool(item, "answer", place),
                        optional_string(item, "solution", place)});
  }
  return concepts;
}

Proof parse_proof(const Json& json, const Place& place) {
  refuse_unknown_fields(
      json, {"givens", "original", "trap", "requirement", "common_sense", "defined", "ask", "unproved"}, place);
  const auto text = [&](const char* field) { return optional_string(json, field, place); };
  return {text("givens"),       text("original"), text("trap"), text("requirement"),
          text("common_sense"), text("defined"),  text("ask"),  text("unproved")};
}

ProvedFlaw parse_flaw(const Json& json, const Place& place) {
  refuse_unknown_fields(json, {"core", "answers"}, place);
  ProvedFlaw flaw;
  const Json core = json.value("core", Json::array());
  if (!core.is_array()) fail(inside(place, "flaw.core"), "a list of statements is wanted");
  for (const Json& item : core) {
    refuse_unknown_fields(item, {"statement", "sentence"}, inside(place, "flaw.core"));
    flaw.core.push_back({required_string(item, "statement", place), optional_string(item, "sentence", place)});
  }
  const Json answers = json.value("answers", Json::array());
  if (!answers.is_array()) fail(inside(place, "flaw.answers"), "a list of strings is wanted");
  for (const Json& answer : answers) {
    if (!answer.is_string()) fail(inside(place, "flaw.answers"), "a list of strings is wanted");
    flaw.answers.push_back(answer.get<std::string>());
  }
  return flaw;
}

}  // namespace

Imported import_ours(const Json& json, const Place& place) {
  refuse_unknown_fields(json, kRecordFields, place);
  Record record;
  record.place = place;
  record.id = required_string(json, "id", place);
  record.topic = optional_string(json, "topic", place);
  record.cluster = json.contains("cluster") ? required_string(json, "cluster", place) : record.id;
  record.family = optional_string(json, "family", place);
  if (json.contains("trap_type")) {
    const std::string type = json_string(json, "trap_type", place);
    record.trap_type = parse_trap_type(type);
    if (!record.trap_type) fail(inside(place, "trap_type"), fmt::format("'{}' is not a trap type", type));
  }
  if (json.contains("original")) record.original = parse_original(json["original"], inside(place, "original"));
  if (json.contains("trap")) record.trap = parse_trap(json["trap"], inside(place, "trap"));
  if (json.contains("concept")) record.concepts = parse_concepts(json["concept"], inside(place, "concept"));
  if (json.contains("proof")) record.proof = parse_proof(json["proof"], inside(place, "proof"));
  if (json.contains("flaw")) record.flaw = parse_flaw(json["flaw"], inside(place, "flaw"));
  if (!record.original && !record.trap && record.concepts.empty()) {
    fail(place, "a record needs an original, a trap or a concept");
  }
  return keep(std::move(record));
}

Record parse_json_record(std::string_view line, const Place& place) {
  return import_ours(parse_json(line, place), place).record;
}

std::string write_json_record(const Record& record) {
  Json json = Json::object();
  json["id"] = record.id;
  put(json, "topic", record.topic);
  put(json, "cluster", record.cluster);
  put(json, "family", record.family);
  if (record.trap_type) json["trap_type"] = to_string(*record.trap_type);
  if (record.original) json["original"] = original_json(*record.original);
  if (record.trap) json["trap"] = trap_json(*record.trap);
  for (const Concept& question : record.concepts) json["concept"].push_back(concept_json(question));
  Json proof = proof_json(record.proof);
  if (!proof.empty()) json["proof"] = std::move(proof);
  Json flaw = flaw_json(record.flaw);
  if (!flaw.empty()) json["flaw"] = std::move(flaw);
  return json.dump();
}

}  // namespace mathtrap

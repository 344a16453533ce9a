// The exchange form of a record: one JSON object a line.
#include <fmt/format.h>

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

}  // namespace

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
  return json.dump();
}

}  // namespace mathtrap

// Proof results as JSON, and back: workers send them so.
#include "traps/proof/proof_json.h"

#include <array>

namespace mathtrap {
namespace {

Json to_json(const Witness& witness) {
  Json json = Json::object();
  if (!witness.ask.empty()) json["ask"] = witness.ask;
  Json values = Json::object();
  for (const NamedValue& value : witness.values) values[value.name] = value.value;
  json["values"] = std::move(values);
  return json;
}

Json to_json(const Obligation& obligation) {
  Json json = {{"verdict", to_string(obligation.verdict)}};
  if (!obligation.message.empty()) json["message"] = obligation.message;
  if (!obligation.core.empty()) json["core"] = obligation.core;
  for (const Witness& witness : obligation.witnesses) json["witnesses"].push_back(to_json(witness));
  for (const TrapType type : obligation.provable) json["provable"].push_back(to_string(type));
  return json;
}

ProofVerdict parse_verdict(const std::string& text) {
  constexpr std::array kAll = {ProofVerdict::proved, ProofVerdict::refuted, ProofVerdict::undecided,
                               ProofVerdict::unproved};
  for (const ProofVerdict verdict : kAll) {
    if (to_string(verdict) == text) return verdict;
  }
  throw Error("'" + text + "' is not a verdict");
}

Obligation obligation_of(const Json& json) {
  Obligation obligation;
  obligation.verdict = parse_verdict(json.at("verdict").get<std::string>());
  obligation.message = json.value("message", "");
  obligation.core = json.value("core", std::vector<std::string>{});
  for (const Json& item : json.value("witnesses", Json::array())) {
    Witness witness;
    witness.ask = item.value("ask", "");
    for (const auto& [name, value] : item.at("values").items()) {
      witness.values.push_back({name, value.get<std::string>()});
    }
    obligation.witnesses.push_back(std::move(witness));
  }
  for (const Json& item : json.value("provable", Json::array())) {
    if (const auto type = parse_trap_type(item.get<std::string>())) obligation.provable.push_back(*type);
  }
  return obligation;
}

}  // namespace

Json to_json(const ProofResult& result) {
  Json json = {{"id", result.id}};
  if (result.trap_type) json["trap_type"] = to_string(*result.trap_type);
  json["verdict"] = to_string(result.verdict);
  json["original"] = to_json(result.original);
  json["trap"] = to_json(result.trap);
  return json;
}

ProofResult proof_result_of(const Json& json) {
  ProofResult result;
  result.id = json.at("id").get<std::string>();
  if (json.contains("trap_type")) result.trap_type = parse_trap_type(json.at("trap_type").get<std::string>());
  result.verdict = parse_verdict(json.at("verdict").get<std::string>());
  result.original = obligation_of(json.at("original"));
  result.trap = obligation_of(json.at("trap"));
  return result;
}

}  // namespace mathtrap

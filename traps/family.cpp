#include "traps/family.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "datasets/evidence.h"
#include "traps/toml_folder.h"

namespace mathtrap {
namespace {

const std::vector<std::string> kProofFields = {"givens",       "original", "trap", "requirement",
                                               "common_sense", "defined",  "ask",  "unproved"};

TextTemplate parse_at(const std::string& text, const Names& names, const Place& place) {
  try {
    return TextTemplate::parse(text, names);
  } catch (const Error& error) {
    fail(place, error.what());
  }
}

TextTemplate read_template(const TomlTable& table, const std::string& key, const Names& names) {
  return parse_at(required_text(table, key), names, place_of(table, key));
}

void add_proof(const TomlTable& table, const Names& names, ProofTemplates& proof) {
  const auto fields = subtable(table, "proof");
  if (!fields) return;
  refuse_unknown(*fields, kProofFields);
  for (const std::string& key : kProofFields) {
    if (fields->table->contains(key)) proof.insert_or_assign(key, read_template(*fields, key, names));
  }
}

FamilyConcept read_concept(const TomlTable& table) {
  refuse_unknown(table, {"question", "answer", "solution", "split_by", "where", "slots", "let"});
  FamilyConcept result;
  result.scope = read_scope(table, nullptr);
  result.questions = read_templates(table, "question", result.scope.names);
  result.answer = required_bool(table, "answer");
  if (table.table->contains("solution")) result.solutions = read_templates(table, "solution", result.scope.names);
  const std::string split_by = optional_text(table, "split_by");
  if (!split_by.empty() && split_by != "numbers" && split_by != "text") {
    fail(place_of(table, "split_by"), "must be \"numbers\" or \"text\"");
  }
  result.split_by_text = split_by == "text";
  return result;
}

FamilyTrap read_trap(const TomlTable& table, const Scope& outer, const TomlTable& family) {
  refuse_unknown(table, {"type", "problem", "explanation", "evidence", "where", "slots", "let", "proof", "concept"});
  FamilyTrap trap;
  const std::string type = required_text(table, "type");
  const auto known = parse_trap_type(type);
  if (!known) fail(place_of(table, "type"), fmt::format("'{}' is not a trap type", type));
  trap.type = *known;
  trap.scope = read_scope(table, &outer);
  trap.problems = read_templates(table, "problem", trap.scope.names);
  trap.explanation = read_template(table, "explanation", trap.scope.names);
  trap.evidence = text_list(table, "evidence");
  if (trap.evidence.empty()) fail(place_of(table, "evidence"), "at least one pattern is wanted");
  for (const std::string& pattern : trap.evidence) check_evidence(pattern, place_of(table, "evidence"));
  add_proof(family, trap.scope.names, trap.proof);
  add_proof(table, trap.scope.names, trap.proof);
  for (const TomlTable& item : subtables(table, "concept")) trap.concepts.push_back(read_concept(item));
  for (const bool answer : {true, false}) {
    const bool found = std::any_of(trap.concepts.begin(), trap.concepts.end(),
                                   [&](const FamilyConcept& item) { return item.answer == answer; });
    if (!found) fail(place_of(table), fmt::format("no concept with answer = {}", answer));
  }
  return trap;
}

}  // namespace

std::vector<TextTemplate> read_templates(const TomlTable& table, const std::string& key, const Names& names) {
  std::vector<TextTemplate> templates;
  for (const std::string& text : text_list(table, key)) {
    templates.push_back(parse_at(text, names, place_of(table, key)));
  }
  if (templates.empty()) fail(place_of(table, key), "the field is missing");
  return templates;
}

Family read_family(const std::string& path) {
  const toml::table parsed = read_toml_file(path);
  const TomlTable root{&parsed, path, ""};
  refuse_unknown(root, {"topic", "where", "slots", "let", "original", "proof", "trap"});
  Family family;
  family.id = std::filesystem::path(path).stem().string();
  family.file = path;
  family.topic = required_text(root, "topic");
  family.scope = read_scope(root, nullptr);
  const auto original = subtable(root, "original");
  if (!original) fail(place_of(root), "[original] is missing");
  refuse_unknown(*original, {"problem", "solution", "answer"});
  family.problems = read_templates(*original, "problem", family.scope.names);
  family.solutions = read_templates(*original, "solution", family.scope.names);
  family.answer = read_template(*original, "answer", family.scope.names);
  add_proof(root, family.scope.names, family.original_proof);
  for (const TomlTable& item : subtables(root, "trap")) {
    family.traps.push_back(read_trap(item, family.scope, root));
  }
  if (family.traps.empty()) fail(place_of(root), "at least one [[trap]] is wanted");
  return family;
}

std::vector<Family> read_families(const std::string& path) {
  std::vector<Family> families;
  for (const std::string& file : toml_files(path)) families.push_back(read_family(file));
  return families;
}

}  // namespace mathtrap

#include "traps/family.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "datasets/evidence.h"
#include "traps/toml_folder.h"

namespace mathtrap {
namespace {

const std::vector<std::string> kProofFields = {"givens",       "original", "trap", "requirement",
                                               "common_sense", "defined",  "ask",  "unproved"};

TextTemplate read_template(const TomlTable& table, const std::string& key, const Names& names) {
  return TextTemplate::parse(required_text(table, key), names, place_of(table, key));
}

void add_proof(const TomlTable& table, const Names& names, ProofTemplates& proof) {
  const auto fields = subtable(table, "proof");
  if (!fields) return;
  refuse_unknown(*fields, kProofFields);
  for (const std::string& key : kProofFields) {
    if (fields->table->contains(key)) proof.insert_or_assign(key, read_template(*fields, key, names));
  }
}

/// What no proof can do without, unless it says why there is none.
void check_proof(const ProofTemplates& proof, const TomlTable& trap) {
  if (proof.contains("unproved")) return;
  for (const char* field : {"original", "trap", "ask"}) {
    if (!proof.contains(field))
      fail(place_of(trap), fmt::format("the proof lacks \"{}\", and says no \"unproved\"", field));
  }
}

std::vector<std::string> read_evidence(const TomlTable& trap) {
  const Place place = place_of(trap, "evidence");
  std::vector<std::string> patterns = text_list(trap, "evidence");
  if (patterns.empty()) fail(place, "at least one pattern is wanted");
  for (const std::string& pattern : patterns) {
    if (pattern.find("{{") != std::string::npos) fail(place, "patterns hold no slots: one serves all instances");
    check_evidence(pattern, place);
  }
  return patterns;
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
  if (!known) fail(place_of(table, "type"), fmt::format("\"{}\" is not a trap type", type));
  trap.type = *known;
  trap.scope = read_scope(table, &outer);
  trap.problems = read_templates(table, "problem", trap.scope.names);
  trap.explanation = read_template(table, "explanation", trap.scope.names);
  trap.evidence = read_evidence(table);
  add_proof(family, trap.scope.names, trap.proof);
  add_proof(table, trap.scope.names, trap.proof);
  check_proof(trap.proof, table);
  for (const TomlTable& item : subtables(table, "concept")) trap.concepts.push_back(read_concept(item));
  for (const bool answer : {true, false}) {
    const bool found = std::any_of(trap.concepts.begin(), trap.concepts.end(),
                                   [&](const FamilyConcept& item) { return item.answer == answer; });
    if (!found) fail(place_of(table), fmt::format("there is no concept with answer = {}", answer));
  }
  return trap;
}

}  // namespace

std::vector<TextTemplate> read_templates(const TomlTable& table, const std::string& key, const Names& names) {
  std::vector<TextTemplate> templates;
  for (const std::string& text : text_list(table, key)) {
    templates.push_back(TextTemplate::parse(text, names, place_of(table, key)));
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

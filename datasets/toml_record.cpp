// The authored form of a record: one TOML file.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>

#include "datasets/evidence.h"
#include "datasets/record.h"
#include "datasets/toml_fields.h"

namespace mathtrap {
namespace {

const std::vector<std::string> kRecordFields = {"trap_type", "topic",   "cluster", "family", "original",
                                                "trap",      "concept", "proof",   "flaw"};

/// The fields of [proof] in their order, with the member that holds them.
const std::vector<std::pair<const char*, std::string Proof::*>> kProofFields = {
    {"givens", &Proof::givens},
    {"original", &Proof::original},
    {"trap", &Proof::trap},
    {"requirement", &Proof::requirement},
    {"common_sense", &Proof::common_sense},
    {"defined", &Proof::defined},
    {"ask", &Proof::ask},
    {"unproved", &Proof::unproved},
};

TrapType read_trap_type(const TomlTable& root) {
  const std::string type = required_text(root, "trap_type");
  const std::optional<TrapType> known = parse_trap_type(type);
  if (known) return *known;
  fail(place_of(root, "trap_type"),
       fmt::format("\"{}\" is not a trap type; known: concept_undefined, missing_condition, direct_contradiction, "
                   "indirect_contradiction, violating_common_sense",
                   type));
}

Original read_original(const TomlTable& table) {
  refuse_unknown(table, {"problem", "solution", "answer"});
  return {required_text(table, "problem"), optional_text(table, "solution"), required_text(table, "answer")};
}

Trap read_trap(const TomlTable& table) {
  refuse_unknown(table, {"problem", "explanation", "evidence"});
  Trap trap{required_text(table, "problem"), required_text(table, "explanation"), text_list(table, "evidence")};
  for (const std::string& pattern : trap.evidence) check_evidence(pattern, place_of(table, "evidence"));
  return trap;
}

Concept read_concept(const TomlTable& table) {
  refuse_unknown(table, {"question", "answer", "solution"});
  return {required_text(table, "question"), required_bool(table, "answer"), optional_text(table, "solution")};
}

Proof read_proof(const TomlTable& table) {
  std::vector<std::string> known;
  for (const auto& [field, member] : kProofFields) known.emplace_back(field);
  refuse_unknown(table, known);
  Proof proof;
  for (const auto& [field, member] : kProofFields) proof.*member = optional_text(table, field);
  return proof;
}

ProvedFlaw read_flaw(const TomlTable& table) {
  refuse_unknown(table, {"core", "answers"});
  ProvedFlaw flaw;
  for (const TomlTable& item : subtables(table, "core")) {
    refuse_unknown(item, {"statement", "sentence"});
    flaw.core.push_back({required_text(item, "statement"), optional_text(item, "sentence")});
  }
  flaw.answers = text_list(table, "answers");
  return flaw;
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') || c == 0x7f;
}

/// A basic string, in which everything can be escaped.
std::string escaped(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (c == '\n') {
      result += "\\n";
    } else if (is_control(c)) {
      result += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
    } else {
      result += c;
    }
  }
  return result + '"';
}

/// A literal string where the text allows it, since LaTeX is full of backslashes.
std::string string_literal(std::string_view text) {
  const bool literal = text.find("'''") == std::string_view::npos && !text.ends_with('\'') && !text.starts_with('\n') &&
                       std::none_of(text.begin(), text.end(), is_control);
  if (!literal) return escaped(text);
  return text.find('\n') == std::string_view::npos ? fmt::format("'''{}'''", text) : fmt::format("'''\n{}'''", text);
}

void put(std::string& toml, const char* field, const std::string& text) {
  if (!text.empty()) toml += fmt::format("{} = {}\n", field, string_literal(text));
}

void put_trap(std::string& toml, const Trap& trap) {
  toml += "\n[trap]\n";
  put(toml, "problem", trap.problem);
  put(toml, "explanation", trap.explanation);
  if (trap.evidence.empty()) return;
  toml += "evidence = [\n";
  for (const std::string& pattern : trap.evidence) toml += fmt::format("  {},\n", string_literal(pattern));
  toml += "]\n";
}

void put_proof(std::string& toml, const Proof& proof) {
  std::string fields;
  for (const auto& [field, member] : kProofFields) put(fields, field, proof.*member);
  if (!fields.empty()) toml += "\n[proof]\n" + fields;
}

}  // namespace

Record read_toml_record(const std::string& path) {
  const toml::table parsed = read_toml_file(path);
  const TomlTable root{&parsed, path, ""};
  refuse_unknown(root, kRecordFields);
  const std::filesystem::path file = std::filesystem::absolute(path);
  Record record;
  record.id = file.stem().string();
  record.place = {path, 0, ""};
  record.topic = optional_text(root, "topic");
  if (record.topic.empty()) record.topic = file.parent_path().filename().string();
  record.cluster = optional_text(root, "cluster");
  if (record.cluster.empty()) record.cluster = record.id;
  record.family = optional_text(root, "family");
  if (root.table->contains("trap") || root.table->contains("trap_type")) record.trap_type = read_trap_type(root);
  if (const auto table = subtable(root, "original")) record.original = read_original(*table);
  if (const auto table = subtable(root, "trap")) record.trap = read_trap(*table);
  for (const TomlTable& table : subtables(root, "concept")) record.concepts.push_back(read_concept(table));
  if (const auto table = subtable(root, "proof")) record.proof = read_proof(*table);
  if (const auto table = subtable(root, "flaw")) record.flaw = read_flaw(*table);
  if (!record.original && !record.trap && record.concepts.empty()) {
    fail({path, 0, ""}, "a record needs [original], [trap] or [[concept]]");
  }
  return record;
}

std::string write_toml_flaw(const ProvedFlaw& flaw) {
  std::string toml;
  if (!flaw.answers.empty()) {
    toml += "[flaw]\nanswers = [";
    for (const std::string& answer : flaw.answers) {
      toml += fmt::format("{}{}", toml.back() == '[' ? "" : ", ", string_literal(answer));
    }
    toml += "]\n";
  }
  for (const CoreStatement& item : flaw.core) {
    toml += fmt::format("{}[[flaw.core]]\n", toml.empty() ? "" : "\n");
    put(toml, "statement", item.statement);
    put(toml, "sentence", item.sentence);
  }
  return toml;
}

std::string write_toml_record(const Record& record) {
  std::string toml;
  if (record.trap_type) toml += fmt::format("trap_type = \"{}\"\n", to_string(*record.trap_type));
  put(toml, "topic", record.topic);
  if (record.cluster != record.id) put(toml, "cluster", record.cluster);
  put(toml, "family", record.family);
  if (record.original) {
    toml += "\n[original]\n";
    put(toml, "problem", record.original->problem);
    put(toml, "solution", record.original->solution);
    put(toml, "answer", record.original->answer);
  }
  if (record.trap) put_trap(toml, *record.trap);
  for (const Concept& question : record.concepts) {
    toml += "\n[[concept]]\n";
    put(toml, "question", question.question);
    toml += fmt::format("answer = {}\n", question.answer);
    put(toml, "solution", question.solution);
  }
  put_proof(toml, record.proof);
  const std::string flaw = write_toml_flaw(record.flaw);
  if (!flaw.empty()) toml += "\n" + flaw;
  return toml;
}

}  // namespace mathtrap

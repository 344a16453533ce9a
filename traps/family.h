// A family: a problem with slots, its traps and their conceptual questions, read from a file below datasets/families.
// The format is described for authors in datasets/families/README.md.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "datasets/record.h"
#include "traps/scope.h"
#include "traps/text_template.h"

namespace mathtrap {

struct FamilyConcept {
  Scope scope;  ///< of its own: it sees none of the problem's values
  std::vector<TextTemplate> questions;
  std::vector<TextTemplate> solutions;
  bool answer = false;
  bool split_by_text = false;  ///< the split hashes the whole text instead of its numbers
};

/// Templates of the proof's fields, by name ("givens", …, "ask").
using ProofTemplates = std::map<std::string, TextTemplate, std::less<>>;

struct FamilyTrap {
  TrapType type = TrapType::concept_undefined;
  Scope scope;  ///< goes on from the family's
  std::vector<TextTemplate> problems;
  TextTemplate explanation;
  std::vector<std::string> evidence;
  ProofTemplates proof;  ///< the family's, with the trap's own fields in their place
  std::vector<FamilyConcept> concepts;
};

struct Family {
  std::string id;  ///< the file's name without ".toml"
  std::string topic;
  std::string file;
  Scope scope;
  std::vector<TextTemplate> problems;
  std::vector<TextTemplate> solutions;
  TextTemplate answer;
  std::vector<FamilyTrap> traps;
};

/// Throws Error naming file, line and field.
Family read_family(const std::string& path);

/// The families of a folder and those below it, or of one file, in the order of their ids. Throws Error.
std::vector<Family> read_families(const std::string& path);

/// A list of wordings; throws Error naming the place when there is none or one is wrong.
std::vector<TextTemplate> read_templates(const TomlTable& table, const std::string& key, const Names& names);

}  // namespace mathtrap

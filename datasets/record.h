// The problem record: one original, its trap, conceptual questions and the proof; every part may be absent, since
// imported sets hold only some. Authored as TOML (one record a file), exchanged as JSONL (one record a line).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/error.h"

namespace mathtrap {

/// The five types of MathTrap (arXiv 2405.06680, section 2).
enum class TrapType {
  concept_undefined,
  missing_condition,
  direct_contradiction,
  indirect_contradiction,
  violating_common_sense,
};

inline constexpr std::array kTrapTypes = {TrapType::concept_undefined, TrapType::missing_condition,
                                          TrapType::direct_contradiction, TrapType::indirect_contradiction,
                                          TrapType::violating_common_sense};

/// "concept_undefined", …
std::string_view to_string(TrapType type);
/// Accepts the names above, and the papers' ("Concept Undefined", any case). Nothing when it is none of them.
std::optional<TrapType> parse_trap_type(std::string_view text);

struct Original {
  std::string problem;
  std::string solution;  ///< worked; may be empty in imported sets
  std::string answer;    ///< the final answer alone
};

struct Trap {
  std::string problem;
  std::string explanation;            ///< the flaw, as a judge needs it
  std::vector<std::string> evidence;  ///< RE2 patterns: what a reply that names this flaw mentions
};

/// A true/false question about the trap's knowledge alone.
struct Concept {
  std::string question;
  bool answer = false;
  std::string solution;  ///< worked reply that ends in "True." or "False."; may be empty
};

/// SMT-LIB 2 texts; see docs/architecture.md for what is proved of them. Empty parts are absent.
struct Proof {
  std::string givens;        ///< declarations, and what both problems state
  std::string original;      ///< what the original alone states
  std::string trap;          ///< what the trap alone states
  std::string requirement;   ///< what the question demands of the answer
  std::string common_sense;  ///< facts of the world that nobody states
  std::string defined;       ///< when the asked term exists
  std::string ask;           ///< the asked term
  std::string unproved;      ///< why there is no proof, where there is none
};

/// A statement of the proof that the trap's conflict cannot do without.
struct CoreStatement {
  std::string statement;  ///< its name in the proof
  std::string sentence;   ///< what it formalises in the trap's problem; empty when the problem does not say it
};

/// What the prover found of the trap.
struct ProvedFlaw {
  std::vector<CoreStatement> core;   ///< what conflicts; nothing of it can be left out
  std::vector<std::string> answers;  ///< of a missing condition: two that the question may have, as SMT-LIB 2
};

struct Record {
  std::string id;       ///< unique within a data set
  std::string topic;    ///< such as "number_theory"
  std::string cluster;  ///< records of one original share it: statistics cluster by it
  std::string family;   ///< the family that generated it; empty for authored and imported records
  std::optional<TrapType> trap_type;
  std::optional<Original> original;
  std::optional<Trap> trap;
  std::vector<Concept> concepts;
  Proof proof;
  ProvedFlaw flaw;  ///< empty when it was not stored with the record
  Place place;      ///< where it was read from
};

/// One authored record. The id is the file's name without ".toml"; `cluster` defaults to the id, `topic` to the folder.
/// Throws Error naming file, line and field: unknown or missing fields, wrong types, empty texts, broken evidence
/// patterns.
Record read_toml_record(const std::string& path);
std::string write_toml_record(const Record& record);
/// The part [flaw] of an authored record; empty when there is nothing in it.
std::string write_toml_flaw(const ProvedFlaw& flaw);

/// One JSONL line with the same fields: {"id","topic","cluster","family","trap_type","original":{…},"trap":{…},
/// "concept":[…],"proof":{…},"flaw":{…}}.
Record parse_json_record(std::string_view line, const Place& place);
std::string write_json_record(const Record& record);

/// Reads a data set: a folder of TOML records (recursively, in order of path), a .toml file, or a .jsonl or .json file
/// of ours or of one of the sets that users have (import_formats.cpp), recognised by its fields. Ids are unique; equal
/// originals share a cluster. Records of a set that have no place here are counted in a note. Throws Error naming file,
/// line and field.
std::vector<Record> read_dataset(const std::string& path);

}  // namespace mathtrap

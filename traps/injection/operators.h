// Traps from an original by operations on its formalisation and its text at once. What an operation makes is a
// candidate only: whether it is a trap, and of which type, is for the prover to say.
#pragma once

#include <string>
#include <vector>

#include "datasets/record.h"

namespace mathtrap {

/// What was done to the original, for the trap's wording.
struct Operation {
  std::string name;         ///< "drop a given", "contradict a given", "change a number"
  std::string sentence;     ///< of the original that it was done to
  std::string replacement;  ///< what stands there in the trap; empty when nothing does
  std::string number;       ///< that was changed or dropped; may be empty
  std::string other;        ///< that stands in its place, or beside it
  std::string required;     ///< what was added to the requirement: "a whole number", "an odd number"; often empty
};

/// `record` has both problems and the proof; explanation, evidence and concepts come once the type is proved.
struct TrapCandidate {
  Operation operation;
  Record record;
};

/// At most 60, those that read best first. Empty when the record has no original or no proof.
std::vector<TrapCandidate> derive_candidates(const Record& record);

}  // namespace mathtrap

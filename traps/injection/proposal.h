// A language model proposes a trap, in words and as a formalisation: what it is asked, and what is taken from its
// reply. Nothing of a reply is believed: it becomes a record like any file from outside, and the prover decides.
#pragma once

#include <string>
#include <string_view>

#include "datasets/record.h"

namespace mathtrap {

/// The question to the model: a trap of this type for the record's original, which has a proof.
std::string proposal_prompt(const Record& original, TrapType type);

/// The record that a reply proposes: its trap beside the original, its parts of the proof in place of the original's.
/// The reply holds one JSON object; what stands before it is passed over. Throws Error with the reason when there is
/// none, or a field is missing, of a wrong type, or a broken pattern.
Record read_proposal(const Record& original, TrapType type, std::string_view reply);

}  // namespace mathtrap

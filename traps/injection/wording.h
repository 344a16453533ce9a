// The words of an injected trap: explanation, evidence and conceptual questions, from what was done and what was
// proved.
#pragma once

#include "datasets/record.h"
#include "traps/injection/operators.h"

namespace mathtrap {

/// Fills the trap's explanation and evidence and gives the record one true and one false conceptual question. The
/// record has its type and its flaw. `turn` chooses among wordings.
void put_into_words(const Operation& operation, std::size_t turn, Record& record);

}  // namespace mathtrap

// Which of several replies to one question counts: the most common answer, without a look at the reference.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "prompts/prompts.h"

namespace mathtrap {

/// Index of the first reply that gives the most common answer; of several equally common ones the one that came first.
/// Replies of problems are grouped by equal answers (equality.h), those that decline are one group; replies to
/// conceptual questions by true, false and neither. `replies` is not empty.
std::size_t majority_reply(Arm arm, std::span<const std::string> replies);

}  // namespace mathtrap

// One draw of a family: a problem with its trap and proof, and a conceptual question, in a wanted split.
#pragma once

#include "datasets/record.h"
#include "support/random.h"
#include "traps/family.h"
#include "traps/split.h"

namespace mathtrap {

/// Original, trap and proof. Both problems belong to `split`. Throws Error naming the family when no draw of 200,000 is
/// wanted.
Record draw_problem(const Family& family, const FamilyTrap& trap, Split split, Random& random);

/// A question whose answer is `answer` and that belongs to `split`, from any of the trap's sources alike. Throws like
/// draw_problem.
Concept draw_concept(const Family& family, const FamilyTrap& trap, bool answer, Split split, Random& random);

/// One of the texts, each with equal chance.
const TextTemplate& pick(const std::vector<TextTemplate>& texts, Random& random);

}  // namespace mathtrap

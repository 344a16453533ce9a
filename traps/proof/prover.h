// Proves many problems at once, each in a process of its own that is stopped when it takes too long or too much memory:
// a formula comes from outside, and may not stop the run.
#pragma once

#include <functional>
#include <vector>

#include "traps/proof/obligations.h"

namespace mathtrap {

/// The results in the order of the records, whatever the number of workers (at least 1). `took` is called with the
/// number of finished records as it grows; it may throw to stop. Call before the program has threads: workers are
/// forked.
std::vector<ProofResult> prove_all(const std::vector<Record>& records, const ProofLimits& limits, int workers,
                                   const std::function<void(std::size_t)>& took = {});

}  // namespace mathtrap

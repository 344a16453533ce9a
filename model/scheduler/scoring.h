// Log-likelihoods of given tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/engine.h"
#include "model/network.h"
#include "model/scheduler/sequence_batch.h"
#include "model/tokenizer.h"

namespace mathtrap {

/// Tokens of which those from `from` on are scored, each given all before it. 1 <= from <= tokens.size().
struct ScoringJob {
  std::vector<TokenId> tokens;
  std::int64_t from = 1;
};

/// Scores in the order of the jobs. Throws Error on an interrupt (support/interrupt.h).
std::vector<Score> run_scoring(const Network& network, std::span<const ScoringJob> jobs, const BatchLimits& limits);

}  // namespace mathtrap

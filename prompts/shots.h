// Few-shot examples: which problems are shown before the one that is asked. The pool is a set of records, by default
// prompts/shots: triples of our own that are in no other set.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/record.h"
#include "prompts/prompts.h"

namespace mathtrap {

/// What the shots are for: never its own record, nor one of its cluster.
struct ShotTarget {
  std::string problem;
  std::string cluster;
};

/// intervention.shots examples, trap_shots of them traps, spread evenly with a trap first. Each record gives one shot
/// at most: its trap with the explanation as the reply, or its original with the solution. fixed: the first records, in
/// their order. random: drawn from the seed and the target's cluster, so that the arms of a record see the same.
/// nearest: those that share most words with the problem (Jaccard index), the nearest last. Throws Error when the pool
/// has too few records for it.
std::vector<Shot> choose_shots(const std::vector<Record>& pool, const Intervention& intervention,
                               const ShotTarget& target, std::uint64_t seed);

/// The records of the pool that the intervention may show: with fixed shots the first ones alone.
std::vector<Record> possible_shots(const std::vector<Record>& pool, const Intervention& intervention);

}  // namespace mathtrap

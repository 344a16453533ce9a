// Derives traps from formalised originals and keeps those that the prover and the editor's rules let pass.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "datasets/record.h"

namespace mathtrap {

/// A candidate that was not kept, and why.
struct Rejection {
  std::string id;         ///< of the original
  std::string operation;  ///< what was done to it
  std::string reason;
};

struct Injection {
  std::vector<Record> traps;  ///< proved, each with its flaw; ids are "<original>-<type>"; clusters are the originals'
  std::vector<Rejection> rejected;
  std::size_t candidates = 0;  ///< not all are tried: one of each type is enough
};

/// At most one trap of each type from each original, by the operations of operators.h; the first that is proved.
/// Records without a formalisation, or whose original is not proved, are rejected with the reason. `workers` processes
/// are forked: call it before the program has threads. `took` is called with the number of candidates tried so far; it
/// may throw to stop.
Injection inject_traps(const std::vector<Record>& originals, int workers,
                       const std::function<void(std::size_t)>& took = {});

/// Of the records, those that are proved and that lint does not object to, with their flaw; the others' reasons go to
/// `rejected`. `operations` are their names, in the order of the records. `finish` is called with a proved record and
/// its place before lint looks at it.
std::vector<Record> keep_proved(std::vector<Record> records, const std::vector<std::string>& operations, int workers,
                                std::vector<Rejection>& rejected,
                                const std::function<void(std::size_t, Record&)>& finish = {});

}  // namespace mathtrap

// What the prover found of a trap, put with the problem: it is what a reply that names the flaw has to speak of.
#pragma once

#include <string>
#include <vector>

#include "datasets/record.h"
#include "traps/proof/proof_result.h"

namespace mathtrap {

/// The statements that conflict, with the sentences that they formalise, or the answers of a missing condition. Empty
/// when the trap is not proved.
ProvedFlaw flaw_of(const Record& record, const ProofResult& result);

/// Proves the instances of families that bear no flaw yet, and gives it to them. Throws Error naming the first that is
/// not proved, unless its proof says why it has none. `workers` processes are forked: call it before the program has
/// threads.
void prove_instances(std::vector<Record>& records, int workers);

/// The text of an authored file with `flaw` as its last part, in place of one that is there.
std::string with_flaw(const std::string& toml, const ProvedFlaw& flaw);

}  // namespace mathtrap

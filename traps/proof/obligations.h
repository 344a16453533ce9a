// The proof obligations of a problem, put to Z3. The table in docs/architecture.md says what has to hold.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "datasets/record.h"
#include "traps/proof/proof_result.h"

namespace mathtrap {

struct ProofLimits {
  double seconds = 5;            ///< of one question to the solver
  std::size_t megabytes = 1024;  ///< of the solver
};

/// What has to be proved of a trap of this type, in an author's words.
std::string_view obligation_of(TrapType type);

/// The answer of a record as a term of SMT-LIB 2: whole numbers, decimals, a/b and \frac{a}{b}, with a sign. Nothing
/// when it is none of these.
std::optional<std::string> answer_as_term(const std::string& answer);

/// Proves or refutes one record in this process: Z3 may take long or be killed over it; see prover.h.
ProofResult prove_here(const Record& record, const ProofLimits& limits);

}  // namespace mathtrap

// What the prover says of one problem.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/record.h"

namespace mathtrap {

enum class ProofVerdict {
  proved,
  refuted,    ///< shown not to hold
  undecided,  ///< a bound of time or memory was reached, or the text is beyond the solver
  unproved,   ///< no proof is claimed; the author says why, or the record has no [proof]
};

std::string_view to_string(ProofVerdict verdict);

/// The value of one of the problem's own names, as SMT-LIB 2 writes it.
struct NamedValue {
  std::string name;
  std::string value;
};

/// A situation that satisfies what was asked for: what the asked term is there, and the declared names.
struct Witness {
  std::string ask;  ///< "" where there is no asked term
  std::vector<NamedValue> values;
};

/// Of the original, or of the trap.
struct Obligation {
  ProofVerdict verdict = ProofVerdict::unproved;
  std::string message;             ///< one sentence; "" when proved without more to say
  std::vector<std::string> core;   ///< names of statements that conflict, none of which can be left out
  std::vector<Witness> witnesses;  ///< two answers of a missing condition; a counter-example of what is refuted
  std::vector<TrapType> provable;  ///< of a trap that is not of its type: the types that it is of
};

struct ProofResult {
  std::string id;
  std::optional<TrapType> trap_type;
  Place place;
  ProofVerdict verdict = ProofVerdict::unproved;  ///< the worse of both
  Obligation original;
  Obligation trap;
};

}  // namespace mathtrap

// Proof results as JSON.
#pragma once

#include "support/json.h"
#include "traps/proof/proof_result.h"

namespace mathtrap {

/// {"id","trap_type","verdict","original":{"verdict","message","core","witnesses","provable"},"trap":{…}}; what is
/// empty is left out.
Json to_json(const ProofResult& result);

/// The reverse; `place` is not part of it.
ProofResult proof_result_of(const Json& json);

}  // namespace mathtrap

// Evidence patterns: RE2, from outside.
#pragma once

#include <string>

#include "support/error.h"

namespace mathtrap {

/// Throws Error at `place` when `pattern` is not one that RE2 compiles within 1 MiB.
void check_evidence(const std::string& pattern, const Place& place);

}  // namespace mathtrap

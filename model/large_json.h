// JSON headers with tens of thousands of keys: support/json.h keeps the order of keys, and is quadratic in their
// number.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "support/error.h"

namespace mathtrap {

/// Throws Error (with `place`) on anything that is not one JSON value, or is nested deeper than 16.
nlohmann::json parse_large_json(std::string_view text, const Place& place);

}  // namespace mathtrap

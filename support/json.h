// JSON from outside: parsed with its place in the error, read field by field with the type checked.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "support/error.h"

namespace mathtrap {

using Json = nlohmann::ordered_json;

/// Throws Error (with `place`) on anything that is not one JSON value, or is nested deeper than 100.
Json parse_json(std::string_view text, const Place& place);

/// A field of an object; throws Error naming the field when it is absent or of another type.
std::string json_string(const Json& object, const std::string& field, const Place& place);
std::int64_t json_int(const Json& object, const std::string& field, const Place& place);
double json_number(const Json& object, const std::string& field, const Place& place);
bool json_bool(const Json& object, const std::string& field, const Place& place);

}  // namespace mathtrap

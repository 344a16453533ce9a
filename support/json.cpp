#include "support/json.h"

#include <fmt/format.h>

namespace mathtrap {
namespace {

constexpr int kMaxDepth = 100;

const Json& json_field(const Json& object, const std::string& field, const Place& place) {
  if (!object.is_object()) fail(place, "a JSON object is wanted");
  const auto found = object.find(field);
  if (found == object.end()) fail(place, fmt::format("the field \"{}\" is missing", field));
  return *found;
}

[[noreturn]] void fail_type(const Json& value, const std::string& field, const char* wanted, const Place& place) {
  fail(place, fmt::format("the field \"{}\" is a {}, {} is wanted", field, value.type_name(), wanted));
}

}  // namespace

Json parse_json(std::string_view text, const Place& place) {
  try {
    return Json::parse(text, [&](int depth, nlohmann::detail::parse_event_t, const Json&) {
      if (depth > kMaxDepth) fail(place, fmt::format("JSON nested deeper than {}", kMaxDepth));
      return true;
    });
  } catch (const Json::exception& error) {
    // The library's own prefix "[json.exception…] " tells a user nothing.
    const std::string_view message = error.what();
    const std::size_t end = message.find("] ");
    fail(place, fmt::format("not valid JSON: {}", end == message.npos ? message : message.substr(end + 2)));
  }
}

std::string json_string(const Json& object, const std::string& field, const Place& place) {
  const Json& value = json_field(object, field, place);
  if (!value.is_string()) fail_type(value, field, "a string", place);
  return value.get<std::string>();
}

std::int64_t json_int(const Json& object, const std::string& field, const Place& place) {
  const Json& value = json_field(object, field, place);
  if (!value.is_number_integer()) fail_type(value, field, "a whole number", place);
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
    fail(place, fmt::format("the field \"{}\" is too large", field));
  }
  return value.get<std::int64_t>();
}

double json_number(const Json& object, const std::string& field, const Place& place) {
  const Json& value = json_field(object, field, place);
  if (!value.is_number()) fail_type(value, field, "a number", place);
  return value.get<double>();
}

bool json_bool(const Json& object, const std::string& field, const Place& place) {
  const Json& value = json_field(object, field, place);
  if (!value.is_boolean()) fail_type(value, field, "true or false", place);
  return value.get<bool>();
}

}  // namespace mathtrap

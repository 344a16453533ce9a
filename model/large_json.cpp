#include "model/large_json.h"

#include <fmt/format.h>

namespace mathtrap {
namespace {

constexpr int kMaxDepth = 16;

}  // namespace

nlohmann::json parse_large_json(std::string_view text, const Place& place) {
  try {
    return nlohmann::json::parse(text, [&](int depth, nlohmann::detail::parse_event_t, const nlohmann::json&) {
      if (depth > kMaxDepth) fail(place, fmt::format("JSON nested deeper than {}", kMaxDepth));
      return true;
    });
  } catch (const nlohmann::json::parse_error& error) {
    fail(place, fmt::format("not valid JSON near byte {}", error.byte));
  } catch (const nlohmann::json::exception&) {
    fail(place, "not valid JSON: a number is out of range");
  }
}

}  // namespace mathtrap

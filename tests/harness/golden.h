// Golden cases: one JSON object a line.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"

namespace mathtrap {

/// Calls `check(fields)` for each line of a file; failures name the line.
inline void for_each_case(const std::filesystem::path& file, const std::function<void(const Json& fields)>& check) {
  for_each_line(file, [&](std::string_view text, std::size_t number) {
    INFO(file.filename().string() << ":" << number << ": " << text);
    check(parse_json(text, {file.string(), number, ""}));
  });
}

inline std::filesystem::path golden(std::string_view relative) {
  return std::filesystem::path(MATHTRAP_SOURCE_DIR) / "tests" / "golden" / relative;
}

}  // namespace mathtrap

// Data that tests use and the project does not ship: in $MATHTRAP_SHARED, by default ../shared beside the checkout.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace mathtrap {

inline std::filesystem::path shared_data(std::string_view relative) {
  const char* folder = std::getenv("MATHTRAP_SHARED");
  const std::filesystem::path root =
      folder != nullptr ? std::filesystem::path(folder) : std::filesystem::path(MATHTRAP_SOURCE_DIR) / ".." / "shared";
  return root / relative;
}

/// True when the data is there; otherwise says so, and CTest counts the test case as skipped.
/// Use: `if (!has_shared_data("data/gsm8k")) return;`
inline bool has_shared_data(std::string_view relative) {
  if (std::filesystem::exists(shared_data(relative))) return true;
  std::printf("[skipped] %s is not there; set MATHTRAP_SHARED\n", shared_data(relative).c_str());
  return false;
}

}  // namespace mathtrap

// A published model that the project does not ship: SmolLM2-135M-Instruct, quantised, as scripts/get-smollm2 fetches
// it. Looked for in $MATHTRAP_MODELS, which `tests/run --models` sets, then in the shared data (tests/shared_data.h).
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "tests/shared_data.h"

namespace mathtrap {

/// Its file; nothing, after saying so, where it is not there: CTest counts the test case as skipped.
/// Use: `const auto path = find_smollm2(); if (!path) return;`
inline std::optional<std::filesystem::path> find_smollm2() {
  constexpr const char* kFile = "SmolLM2-135M-Instruct.Q4_1.gguf";
  if (const char* models = std::getenv("MATHTRAP_MODELS"); models != nullptr) {
    const std::filesystem::path fetched = std::filesystem::path(models) / kFile;
    if (std::filesystem::exists(fetched)) return fetched;
  }
  const std::filesystem::path shared = shared_data(std::filesystem::path("data/models/smollm2").append(kFile).string());
  if (std::filesystem::exists(shared)) return shared;
  std::printf("[skipped] %s is not there; tests/run --models fetches it\n", kFile);
  return std::nullopt;
}

}  // namespace mathtrap

// SHA-256, for naming models, data and prompts in results.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace mathtrap {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::string_view bytes);
  /// 64 lower-case hexadecimal digits. Call once.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256(std::string_view bytes);

/// Of a file's bytes; of a folder: of the sorted names and contents of the files in it, not deeper.
std::string sha256_of_path(const std::filesystem::path& path);

/// A fast 64-bit hash with good mixing (FNV-1a, finished as SplitMix64 does), equal on every machine.
std::uint64_t hash64(std::string_view bytes);

}  // namespace mathtrap

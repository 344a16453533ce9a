// What the files of a model hash to.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include "harness/models_under_test.h"
#include "model/adapter_options.h"
#include "support/hash.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

bool decides_replies(const fs::path& file) {
  static constexpr std::array<std::string_view, 7> kWeights = {".safetensors", ".bin",   ".pt",        ".pth",
                                                               ".gguf",        ".model", ".index.json"};
  const std::string name = file.filename().string();
  if (name == "config.json" || name == "tokenizer.json" || name == "adapter_config.json") return true;
  return std::any_of(kWeights.begin(), kWeights.end(), [&](std::string_view end) { return name.ends_with(end); });
}

std::string files_sha256(const std::string& path) {
  std::vector<fs::path> files;
  if (fs::is_directory(path)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
      if (entry.is_regular_file() && decides_replies(entry.path())) files.push_back(entry.path());
    }
  } else {
    files.emplace_back(path);
  }
  std::sort(files.begin(), files.end());
  Sha256 hash;
  for (const fs::path& file : files) {
    // A single file hashes to the same under any name.
    hash.update(fmt::format("{} {}\n", files.size() > 1 ? file.filename().string() : "", sha256_of_path(file)));
  }
  return hash.finish();
}

}  // namespace

std::string model_sha256(const std::string& path) {
  if (!is_adapter_folder(path)) return files_sha256(path);
  return sha256(fmt::format("base {}\nadapter {}\n", files_sha256(adapter_base_path(path)), files_sha256(path)));
}

std::string adapter_sha256(const std::string& folder) {
  return files_sha256(folder);
}

}  // namespace mathtrap

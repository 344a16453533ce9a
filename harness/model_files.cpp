// Where models lie, and what their files hash to.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include "harness/models_under_test.h"
#include "support/error.h"
#include "support/files.h"
#include "support/hash.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kZoo = "zoo:";

std::string zoo_models() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(resource("model/zoo"))) {
    if (entry.is_directory()) names.push_back("zoo:" + entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names.empty() ? "none yet" : fmt::format("{}", fmt::join(names, ", "));
}

bool decides_replies(const fs::path& file) {
  static constexpr std::array<std::string_view, 7> kWeights = {".safetensors", ".bin",   ".pt",        ".pth",
                                                               ".gguf",        ".model", ".index.json"};
  const std::string name = file.filename().string();
  if (name == "config.json" || name == "tokenizer.json") return true;
  return std::any_of(kWeights.begin(), kWeights.end(), [&](std::string_view end) { return name.ends_with(end); });
}

}  // namespace

std::string find_model(const std::string& name) {
  if (!name.starts_with(kZoo)) {
    if (fs::exists(name)) return name;
    throw Error(fmt::format("--model {}: no such file or folder; models of the zoo: {}", name, zoo_models()));
  }
  const std::string model = name.substr(kZoo.size());
  const bool plain = !model.empty() && model.find('/') == std::string::npos && model.front() != '.';
  const fs::path folder = resource("model/zoo") / model;
  if (plain && fs::is_directory(folder)) return folder.string();
  throw Error(fmt::format("--model {}: not in the zoo; models of the zoo: {}", name, zoo_models()));
}

std::string model_sha256(const std::string& path) {
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

}  // namespace mathtrap

#include "model/model_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <vector>

#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kZoo = "zoo:";

std::string zoo_models() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(resource("model/zoo"))) {
    if (entry.is_directory()) names.push_back(fmt::format("{}{}", kZoo, entry.path().filename().string()));
  }
  std::sort(names.begin(), names.end());
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::string resolve_model_path(const std::string& name) {
  std::error_code ignored;
  if (!name.starts_with(kZoo)) {
    if (fs::exists(name, ignored)) return name;
    throw Error(fmt::format("model {}: no such file or folder; models of the zoo: {}", name, zoo_models()));
  }
  const std::string model = name.substr(kZoo.size());
  const bool plain = !model.empty() && model.find('/') == std::string::npos && model.front() != '.';
  const fs::path folder = resource("model/zoo") / model;
  if (plain && fs::is_directory(folder, ignored)) return folder.string();
  throw Error(fmt::format("model {}: not in the zoo; models of the zoo: {}", name, zoo_models()));
}

}  // namespace mathtrap

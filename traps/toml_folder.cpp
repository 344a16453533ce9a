#include "traps/toml_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "support/error.h"

namespace mathtrap {

std::vector<std::string> toml_files(const std::string& path) {
  namespace fs = std::filesystem;
  if (!fs::exists(path)) throw Error(fmt::format("{}: there is no such file or folder", path));
  if (!fs::is_directory(path)) return {path};
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path().string());
  }
  if (files.empty()) throw Error(fmt::format("{}: there is no .toml file in this folder", path));
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace mathtrap

#include "traps/toml_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "support/error.h"

namespace mathtrap {
namespace {

constexpr int kMaxFolderDepth = 8;

}  // namespace

std::vector<std::string> toml_files(const std::string& path) {
  namespace fs = std::filesystem;
  if (!fs::exists(path)) throw Error(fmt::format("{}: there is no such file or folder", path));
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> files;
  for (auto entry = fs::recursive_directory_iterator(path); entry != fs::recursive_directory_iterator(); ++entry) {
    if (entry.depth() >= kMaxFolderDepth) entry.disable_recursion_pending();
    if (entry->path().extension() == ".toml") files.push_back(entry->path());
  }
  if (files.empty()) throw Error(fmt::format("{}: there is no .toml file in this folder", path));
  std::sort(files.begin(), files.end(), [](const fs::path& a, const fs::path& b) {
    return std::pair(a.filename(), a) < std::pair(b.filename(), b);
  });
  for (std::size_t i = 1; i < files.size(); ++i) {
    if (files[i].filename() != files[i - 1].filename()) continue;
    throw Error(
        fmt::format("{}: {} has the same name, and names must differ", files[i].string(), files[i - 1].string()));
  }
  return {files.begin(), files.end()};
}

}  // namespace mathtrap

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "datasets/import_dataset.h"
#include "datasets/record.h"
#include "datasets/record_set.h"
#include "support/log.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFolderDepth = 8;

std::vector<Record> read_json(const std::string& path) {
  ImportResult result = import_dataset({path}, {});
  if (!result.skipped.empty()) {
    note(fmt::format("{}: {} of {} records have no place here; `mathtrap data import` names them", path,
                     result.skipped.size(), result.read));
  }
  return std::move(result.records);
}

std::vector<Record> read_folder(const std::string& path) {
  std::vector<std::string> files;
  for (auto entry = fs::recursive_directory_iterator(path); entry != fs::recursive_directory_iterator(); ++entry) {
    if (static_cast<std::size_t>(entry.depth()) >= kMaxFolderDepth) entry.disable_recursion_pending();
    if (entry->path().extension() == ".toml" && entry->is_regular_file()) files.push_back(entry->path().string());
  }
  std::sort(files.begin(), files.end());
  std::vector<Record> records;
  UniqueIds ids;
  for (const std::string& file : files) ids.add(records.emplace_back(read_toml_record(file)));
  share_clusters(records);
  return records;
}

std::vector<Record> read_any(const std::string& path) {
  if (fs::is_directory(path)) return read_folder(path);
  const std::string extension = fs::path(path).extension().string();
  if (extension == ".toml") return {read_toml_record(path)};
  if (extension == ".jsonl" || extension == ".json") return read_json(path);
  throw Error(fmt::format("{}: a data set is a folder, a .toml, a .jsonl or a .json file", path));
}

}  // namespace

std::vector<Record> read_dataset(const std::string& path) {
  if (!fs::exists(path)) throw Error(fmt::format("{}: no such file or folder", path));
  std::vector<Record> records = read_any(path);
  if (records.empty()) throw Error(fmt::format("{}: no records are there", path));
  return records;
}

}  // namespace mathtrap

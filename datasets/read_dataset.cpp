#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "datasets/importers.h"
#include "datasets/json_array.h"
#include "datasets/record.h"
#include "support/files.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{256} << 20;
constexpr std::size_t kMaxFolderDepth = 8;

struct Format {
  std::vector<std::string> fields;  ///< by which it is recognised
  Record (*import)(const Json& object, const Place& place);
};

/// In this order: a set may have fields of another in addition.
const std::array<Format, 4> kFormats = {{
    {{"trap_problem", "original_problem"}, import_mathtrap_triple},
    {{"query", "response"}, nullptr},  // by the type of the response
    {{"problem", "solution"}, import_math},
    {{"question", "answer"}, import_gsm8k},
}};

bool is_ours(const Json& object) {
  return object.contains("id") &&
         (object.contains("original") || object.contains("trap") || object.contains("concept"));
}

/// The importer for a set whose first object this is; none for our own records.
decltype(Format::import) recognise(const Json& object, const Place& place) {
  if (!object.is_object()) fail(place, "a JSON object is wanted");
  if (is_ours(object)) return nullptr;
  for (const Format& format : kFormats) {
    const auto has = [&](const std::string& field) { return object.contains(field); };
    if (!std::all_of(format.fields.begin(), format.fields.end(), has)) continue;
    if (format.import != nullptr) return format.import;
    return object["response"].is_boolean() ? import_mathtrap_concept : import_mathtrap_query;
  }
  fail(place,
       "no known data set has these fields; known: records of ours (id, original, trap, concept), MathTrap "
       "(trap_problem, …; query, response), GSM8K (question, answer), MATH (problem, solution)");
}

/// Reads one object after another, all of the kind of the first.
class ObjectReader {
 public:
  explicit ObjectReader(std::string file) : file_(std::move(file)), stem_(fs::path(file_).stem().string()) {}

  void read(std::string_view text, std::size_t line) {
    const Place place{file_, line, ""};
    if (records_.empty()) import_ = recognise(parse_json(text, place), place);
    if (import_ == nullptr) {
      records_.push_back(parse_json_record(text, place));
      return;
    }
    Record record = import_(parse_json(text, place), place);
    record.id = record.cluster = fmt::format("{}-{}", stem_, records_.size() + 1);
    record.place = place;
    records_.push_back(std::move(record));
  }

  std::vector<Record> take() { return std::move(records_); }

 private:
  std::string file_;
  std::string stem_;
  decltype(Format::import) import_ = nullptr;
  std::vector<Record> records_;
};

std::vector<Record> read_json_file(const std::string& path) {
  const std::string text = read_file(path, kMaxFileBytes);
  ObjectReader reader(path);
  for_each_json_item(text, path, [&](std::string_view item, std::size_t line) { reader.read(item, line); });
  return reader.take();
}

std::vector<Record> read_jsonl_file(const std::string& path) {
  ObjectReader reader(path);
  for_each_line(path, [&](std::string_view text, std::size_t line) {
    if (text.find_first_not_of(" \t") != std::string_view::npos) reader.read(text, line);
  });
  return reader.take();
}

std::vector<Record> read_folder(const std::string& path) {
  std::vector<std::string> files;
  for (auto entry = fs::recursive_directory_iterator(path); entry != fs::recursive_directory_iterator(); ++entry) {
    if (static_cast<std::size_t>(entry.depth()) >= kMaxFolderDepth) entry.disable_recursion_pending();
    if (entry->path().extension() == ".toml" && entry->is_regular_file()) files.push_back(entry->path().string());
  }
  std::sort(files.begin(), files.end());
  std::vector<Record> records;
  for (const std::string& file : files) records.push_back(read_toml_record(file));
  return records;
}

std::vector<Record> read_any(const std::string& path) {
  if (fs::is_directory(path)) return read_folder(path);
  const std::string extension = fs::path(path).extension().string();
  if (extension == ".toml") return {read_toml_record(path)};
  if (extension == ".jsonl") return read_jsonl_file(path);
  if (extension == ".json") return read_json_file(path);
  throw Error(fmt::format("{}: a data set is a folder, a .toml, a .jsonl or a .json file", path));
}

void refuse_equal_ids(const std::vector<Record>& records) {
  std::unordered_map<std::string, const Place*> seen;
  for (const Record& record : records) {
    const auto [found, fresh] = seen.emplace(record.id, &record.place);
    if (!fresh) {
      fail({record.place.file, record.place.line, "id"},
           fmt::format("\"{}\" is already the id of {}:{}", record.id, found->second->file, found->second->line));
    }
  }
}

/// Records of one original are not independent: statistics must see them as one cluster.
void share_clusters(std::vector<Record>& records) {
  std::unordered_map<std::string, std::string> clusters;
  for (Record& record : records) {
    if (record.original) record.cluster = clusters.emplace(record.original->problem, record.cluster).first->second;
  }
}

}  // namespace

std::vector<Record> read_dataset(const std::string& path) {
  if (!fs::exists(path)) throw Error(fmt::format("{}: no such file or folder", path));
  std::vector<Record> records = read_any(path);
  if (records.empty()) throw Error(fmt::format("{}: no records are there", path));
  refuse_equal_ids(records);
  share_clusters(records);
  return records;
}

}  // namespace mathtrap

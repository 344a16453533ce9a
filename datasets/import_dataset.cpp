#include "datasets/import_dataset.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "datasets/import_formats.h"
#include "datasets/json_items.h"
#include "datasets/record_set.h"

namespace mathtrap {
namespace {

/// Whether every byte belongs to a character as UTF-8 writes it. (That characters are in range is the parser's to say.)
bool is_utf8(std::string_view text) {
  std::size_t following = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = (byte & 0xC0) == 0x80;
    if (continues != (following > 0)) return false;
    if (continues) {
      --following;
    } else if (byte >= 0x80) {
      following = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
      if (byte >= 0xF8) return false;
    }
  }
  return following == 0;
}

/// What `error` says, without the place that stands before it.
std::string reason_of(const Error& error, const Place& place) {
  const std::string message = error.what();
  const std::string prefix = describe(place, "");
  return message.starts_with(prefix) ? message.substr(prefix.size()) : message;
}

/// Names of files for ids: those of one name are numbered, in the order in which they come.
class FileNames {
 public:
  std::string add(const std::string& file) {
    const std::string stem = std::filesystem::path(file).stem().string();
    std::string name = stem;
    for (int i = 2; !taken_.insert(name).second; ++i) name = fmt::format("{}-{}", stem, i);
    return name;
  }

 private:
  std::set<std::string> taken_;
};

class Importer {
 public:
  explicit Importer(const ImportOptions& options) : options_(options) {}

  void read(const std::string& file) {
    format_ = options_.format == "auto" ? "" : options_.format;
    const std::string name = names_.add(file);
    std::size_t number = 0;
    for_each_json_item(file, [&](const JsonItem& item) {
      take(item, {file, item.line, ""}, fmt::format("{}-{}", name, ++number));
    });
    if (number == 0) throw Error(fmt::format("{}: no records are there", file));
  }

  ImportResult finish() {
    for (std::size_t i = 0; i < result_.records.size(); ++i) complete(result_.records[i], originals_of_[i]);
    share_clusters(result_.records, groups_);
    return std::move(result_);
  }

 private:
  void take(const JsonItem& item, const Place& place, const std::string& id) {
    ++result_.read;
    try {
      Imported imported = import(item, place);
      if (!imported.unfit.empty()) {
        result_.skipped.push_back({place, std::move(imported.unfit)});
        return;
      }
      add(std::move(imported), place, id);
    } catch (const Error& error) {
      if (!options_.skip_bad) throw;
      result_.skipped.push_back({place, reason_of(error, place)});
    }
  }

  Imported import(const JsonItem& item, const Place& place) {
    if (!item.problem.empty()) fail(place, item.problem);
    if (!is_utf8(item.text)) fail(place, "not UTF-8");
    const Json object = parse_json(item.text, place);
    if (!object.is_object()) fail(place, "a JSON object is wanted");
    if (format_.empty()) format_ = recognise(object, place);
    return nearest_format(format_, object).import(object, place);
  }

  /// A file is of one set: that of its first record that is of any.
  static std::string_view recognise(const Json& object, const Place& place) {
    const ImportFormat* format = recognise_format(object);
    if (format != nullptr) return format->name;
    fail(place,
         fmt::format("no known data set has these fields; known sets: {}", fmt::join(import_format_names(), ", ")));
  }

  void add(Imported imported, const Place& place, const std::string& id) {
    Record& record = imported.record;
    record.place = place;
    if (record.id.empty()) {  // else it is one of ours, and stays as it is
      record.id = record.cluster = id;
      if (record.trap && record.trap->explanation.empty()) {
        record.trap->explanation = explanation_of(record.trap_type);
      }
    }
    ids_.add(record);
    if (!imported.name.empty()) named_.emplace(std::move(imported.name), result_.records.size());
    originals_of_.push_back(std::move(imported.original_of));
    groups_.push_back(std::move(imported.group));
    result_.records.push_back(std::move(record));
  }

  /// A trap gets the original, and an original the answer, that the set holds in another record.
  void complete(Record& record, const std::string& original_of) const {
    const auto found = named_.find(original_of);
    if (found == named_.end()) return;
    const auto& original = result_.records[found->second].original;
    if (record.original ? record.original->problem == original->problem : record.trap.has_value()) {
      record.original = original;
    }
  }

  const ImportOptions& options_;
  std::string format_;  ///< of the file; empty while it is not known
  FileNames names_;
  UniqueIds ids_;
  ImportResult result_;
  std::unordered_map<std::string, std::size_t> named_;  ///< records by what their set calls them
  std::vector<std::string> originals_of_;               ///< for each record, as its importer says
  std::vector<std::string> groups_;
};

}  // namespace

ImportResult import_dataset(const std::vector<std::string>& files, const ImportOptions& options) {
  if (options.format != "auto") check_import_format(options.format);
  Importer importer(options);
  for (const std::string& file : files) importer.read(file);
  return importer.finish();
}

}  // namespace mathtrap

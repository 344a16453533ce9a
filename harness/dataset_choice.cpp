#include "harness/dataset_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <numeric>
#include <span>

#include "support/error.h"
#include "support/files.h"
#include "support/hash.h"
#include "support/random.h"
#include "traps/family.h"
#include "traps/generate.h"
#include "traps/split.h"

namespace mathtrap {
namespace {

constexpr std::string_view kFamilies = "families";
constexpr std::string_view kKnownNames = "open, families or families/GROUP with :train, :validation or :test";
constexpr std::size_t kMaxInstances = 1000000;

/// Of "families:SPLIT" or "families/GROUP:SPLIT"; GROUP is a folder of datasets/families.
std::vector<Record> instances(const std::string& name, std::size_t count, std::uint64_t seed, const char* option) {
  if (count > kMaxInstances)
    throw Error(
        fmt::format("{} {}: {} instances are wanted, at most {} can be made", option, name, count, kMaxInstances));
  const std::size_t colon = name.find(':');
  const Split split = parse_split(colon == std::string::npos ? "test" : name.substr(colon + 1));
  const std::string group = name.substr(0, colon).substr(kFamilies.size());
  const std::filesystem::path folder = resource("datasets/families");
  const bool known = group.empty() || (group.find('/', 1) == std::string::npos && group.size() > 1 && group != "/.." &&
                                       std::filesystem::is_directory(folder.string() + group));
  if (!known) throw Error(fmt::format("{} {}: no such group of families; known names: {}", option, name, kKnownNames));
  return generate_records(read_families(folder.string() + group), split, count, seed);
}

/// `limit` of the records, in their order.
std::vector<Record> pick(std::vector<Record> records, std::size_t limit, std::uint64_t seed) {
  if (limit == 0 || limit >= records.size()) return records;
  std::vector<std::size_t> order(records.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  Random random(seed, "limit");
  random.shuffle(std::span(order));
  order.resize(limit);
  std::sort(order.begin(), order.end());
  std::vector<Record> picked;
  picked.reserve(limit);
  for (const std::size_t index : order) picked.push_back(std::move(records[index]));
  return picked;
}

std::vector<Record> read_named(const std::string& name, std::size_t limit, std::uint64_t seed, const char* option) {
  if (name == kFamilies || name.starts_with("families:") || name.starts_with("families/")) {
    return instances(name, limit == 0 ? kDefaultInstances : limit, seed, option);
  }
  if (name == "open") return pick(read_dataset(resource("datasets/open").string()), limit, seed);
  if (!std::filesystem::exists(name)) {
    throw Error(fmt::format("{} {}: no such file or folder; known names: {}", option, name, kKnownNames));
  }
  return pick(read_dataset(name), limit, seed);
}

}  // namespace

DatasetChoice choose_dataset(const std::string& name, std::size_t limit, std::uint64_t seed, const char* option) {
  DatasetChoice choice{name, "", read_named(name, limit, seed, option)};
  if (choice.records.empty()) throw Error(fmt::format("{} {}: holds no problems", option, name));
  Sha256 hash;
  for (const Record& record : choice.records) hash.update(write_json_record(record) + "\n");
  choice.sha256 = hash.finish();
  return choice;
}

std::vector<Record> choose_records(const std::vector<std::string>& names, std::size_t limit, std::uint64_t seed) {
  std::vector<Record> records;
  for (const std::string& name : names) {
    DatasetChoice choice = choose_dataset(name, limit, seed);
    records.insert(records.end(), std::make_move_iterator(choice.records.begin()),
                   std::make_move_iterator(choice.records.end()));
  }
  return records;
}

}  // namespace mathtrap

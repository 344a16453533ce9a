#include "datasets/record_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace mathtrap {
namespace {

/// Sets of records that grow together; the first record stands for its set.
class Unions {
 public:
  explicit Unions(std::size_t count) : parents_(count) { std::iota(parents_.begin(), parents_.end(), std::size_t{0}); }

  std::size_t first_of(std::size_t index) {
    while (parents_[index] != index) {
      parents_[index] = parents_[parents_[index]];
      index = parents_[index];
    }
    return index;
  }

  void join(std::size_t a, std::size_t b) {
    a = first_of(a);
    b = first_of(b);
    parents_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::size_t> parents_;
};

/// Joins the records that have a key in common; an empty key joins none.
class Joiner {
 public:
  explicit Joiner(Unions& unions) : unions_(unions) {}

  void add(std::size_t index, const std::string& key) {
    if (!key.empty()) unions_.join(firsts_.emplace(key, index).first->second, index);
  }

 private:
  Unions& unions_;
  std::unordered_map<std::string, std::size_t> firsts_;
};

}  // namespace

void UniqueIds::add(const Record& record) {
  const auto [found, fresh] = seen_.emplace(record.id, record.place);
  if (fresh) return;
  fail({record.place.file, record.place.line, "id"},
       fmt::format("\"{}\" is already the id of {}:{}", record.id, found->second.file, found->second.line));
}

void share_clusters(std::vector<Record>& records, const std::vector<std::string>& groups) {
  Unions unions(records.size());
  Joiner clusters(unions);
  Joiner problems(unions);
  for (std::size_t i = 0; i < records.size(); ++i) {
    clusters.add(i, records[i].cluster);
    if (records[i].original) problems.add(i, records[i].original->problem);
    if (i < groups.size()) problems.add(i, groups[i]);
  }
  for (std::size_t i = 0; i < records.size(); ++i) records[i].cluster = records[unions.first_of(i)].cluster;
}

}  // namespace mathtrap

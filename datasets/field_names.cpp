#include "datasets/field_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace mathtrap {
namespace {

constexpr std::size_t kMaxCompared = 64;  // a longer name is no misspelling of a field
constexpr std::size_t kMaxListed = 30;

/// Levenshtein's edit distance.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

const std::string* nearest(std::string_view name, const std::vector<std::string>& known) {
  const std::string* best = nullptr;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : known) {
    if (candidate.size() > kMaxCompared) continue;
    const std::size_t distance = edit_distance(name, candidate);
    if (distance >= best_distance) continue;
    best = &candidate;
    best_distance = distance;
  }
  return best;
}

}  // namespace

std::string describe_unknown(std::string_view kind, std::string_view name, const std::vector<std::string>& known) {
  const std::string shown(name.substr(0, kMaxCompared));
  const std::string* meant = name.size() <= kMaxCompared ? nearest(name, known) : nullptr;
  if (meant != nullptr) return fmt::format("unknown {} \"{}\"; is \"{}\" meant?", kind, shown, *meant);
  const std::size_t listed = std::min(known.size(), kMaxListed);
  return fmt::format("unknown {} \"{}\"; known: {}", kind, shown,
                     fmt::join(known.begin(), known.begin() + static_cast<std::ptrdiff_t>(listed), ", "));
}

}  // namespace mathtrap

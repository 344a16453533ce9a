#include "prompts/shots.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>
#include <utility>

#include "support/error.h"
#include "support/random.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kMinWordLetters = 3;

std::set<std::string> words_of(std::string_view text) {
  std::set<std::string> words;
  std::string word;
  for (const char c : lower_case(text) + " ") {
    if (is_letter(c)) {
      word += c;
    } else {
      if (word.size() >= kMinWordLetters) words.insert(word);
      word.clear();
    }
  }
  return words;
}

/// Jaccard index of two sets, 0 to 1.
double similarity(const std::set<std::string>& a, const std::set<std::string>& b) {
  const auto shared =
      static_cast<std::size_t>(std::count_if(a.begin(), a.end(), [&](const auto& word) { return b.contains(word); }));
  const std::size_t all = a.size() + b.size() - shared;
  return all == 0 ? 0 : static_cast<double>(shared) / static_cast<double>(all);
}

/// Whether the shot at this place is a trap: so many of so many, as evenly as possible, beginning with a trap.
bool is_trap_place(int place, const Intervention& intervention) {
  return place * intervention.trap_shots % intervention.shots < intervention.trap_shots;
}

bool can_serve(const Record& record, bool as_trap) {
  return as_trap ? record.trap && !record.trap->explanation.empty()
                 : record.original && !record.original->solution.empty();
}

bool is_of(const Record& record, const ShotTarget& target) {
  return record.cluster == target.cluster || (record.original && record.original->problem == target.problem) ||
         (record.trap && record.trap->problem == target.problem);
}

Shot shot_of(const Record& record, bool as_trap) {
  if (!as_trap) return {record.id, record.original->problem, record.original->solution, false};
  return {record.id, record.trap->problem, record.trap->explanation + " So this problem has no answer.", true};
}

/// The records in the order in which they are wanted.
std::vector<const Record*> in_order(const std::vector<Record>& pool, const Intervention& intervention,
                                    const ShotTarget& target, std::uint64_t seed) {
  std::vector<const Record*> order;
  for (const Record& record : pool) {
    if (!is_of(record, target)) order.push_back(&record);
  }
  if (intervention.shot_order == ShotOrder::random) {
    Random random(seed, "shots/" + target.cluster);
    random.shuffle(std::span(order));
  } else if (intervention.shot_order == ShotOrder::nearest) {
    const std::set<std::string> wanted = words_of(target.problem);
    std::vector<std::pair<double, const Record*>> ranked;
    for (const Record* record : order) {
      const std::string& text = record->original ? record->original->problem : record->trap->problem;
      ranked.emplace_back(-similarity(wanted, words_of(text)), record);
    }
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::transform(ranked.begin(), ranked.end(), order.begin(), [](const auto& item) { return item.second; });
  }
  return order;
}

}  // namespace

std::vector<Shot> choose_shots(const std::vector<Record>& pool, const Intervention& intervention,
                               const ShotTarget& target, std::uint64_t seed) {
  if (intervention.shots == 0) return {};
  std::vector<const Record*> order = in_order(pool, intervention, target, seed);
  const bool nearest_last = intervention.shot_order == ShotOrder::nearest;
  std::vector<Shot> shots;
  for (int place = 0; place < intervention.shots; ++place) {
    const bool as_trap = is_trap_place(nearest_last ? intervention.shots - 1 - place : place, intervention);
    const auto found =
        std::find_if(order.begin(), order.end(), [&](const Record* record) { return can_serve(*record, as_trap); });
    if (found == order.end()) {
      throw Error(fmt::format("{}: {} shots are wanted, {} are there; give more with --shots", intervention.name,
                              intervention.shots, place));
    }
    shots.push_back(shot_of(**found, as_trap));
    order.erase(found);
  }
  if (nearest_last) std::reverse(shots.begin(), shots.end());
  return shots;
}

std::vector<Record> possible_shots(const std::vector<Record>& pool, const Intervention& intervention) {
  if (intervention.shots == 0) return {};
  if (intervention.shot_order != ShotOrder::fixed) return pool;
  std::set<std::string> shown;
  for (const Shot& shot : choose_shots(pool, intervention, {}, 0)) shown.insert(shot.id);
  std::vector<Record> records;
  std::copy_if(pool.begin(), pool.end(), std::back_inserter(records),
               [&](const Record& record) { return shown.contains(record.id); });
  return records;
}

}  // namespace mathtrap

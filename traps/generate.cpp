#include "traps/generate.h"

#include <fmt/format.h>

#include <optional>
#include <unordered_set>

#include "support/hash.h"
#include "traps/instance.h"

namespace mathtrap {
namespace {

// Draws in a row that bring nothing new, after which a source counts as exhausted: fewer than one in a hundred of its
// combinations are then left, most likely.
constexpr int kStaleDraws = 500;

/// Texts that were given already.
class Seen {
 public:
  bool contains(const std::string& text) const { return hashes_.contains(hash64(text)); }
  /// False when it was there.
  bool insert(const std::string& text) { return hashes_.insert(hash64(text)).second; }

 private:
  std::unordered_set<std::uint64_t> hashes_;
};

/// Gives the instances of one family one after another and remembers what it gave.
class FamilySource {
 public:
  FamilySource(const Family& family, Split split, std::uint64_t seed)
      : family_(family), split_(split), seed_(seed), traps_(family.traps.size()) {}

  /// Nothing when the family has run out of fresh instances and may not repeat any.
  std::optional<Record> next() {
    for (std::size_t tried = 0; tried < traps_.size(); ++tried) {
      const std::size_t which = turn_++ % traps_.size();
      if (std::optional<Record> record = next_of(family_.traps[which], traps_[which])) return record;
    }
    return std::nullopt;
  }

  const std::string& id() const { return family_.id; }
  std::uint64_t repeats() const { return repeats_; }
  bool exhausted() const { return exhausted_; }

 private:
  /// What a trap can still give that is new.
  struct State {
    bool fresh_problems = true;
    bool fresh_concepts[2] = {true, true};  ///< by answer
  };

  std::optional<Record> next_of(const FamilyTrap& trap, State& state) {
    if (!state.fresh_problems && split_ != Split::train) return std::nullopt;
    Random random(seed_, fmt::format("{}/{}/{}", family_.id, to_string(split_), index_));
    Record record = draw_problem(family_, trap, split_, random);
    for (int stale = 1; state.fresh_problems && !is_fresh(record); ++stale) {
      state.fresh_problems = stale < kStaleDraws;
      record = draw_problem(family_, trap, split_, random);
    }
    if (!state.fresh_problems) {
      exhausted_ = true;
      if (split_ != Split::train) return std::nullopt;
    }
    const bool fresh_original = problems_.insert(record.original->problem);
    const bool fresh_trap = problems_.insert(record.trap->problem);
    if (!fresh_original || !fresh_trap) ++repeats_;
    const bool answer = random.uniform_int(0, 1) == 1;
    record.concepts.push_back(next_concept(trap, answer, state.fresh_concepts[answer ? 1 : 0], random));
    label(record);
    return record;
  }

  bool is_fresh(const Record& record) const {
    return !problems_.contains(record.original->problem) && !problems_.contains(record.trap->problem);
  }

  /// Conceptual questions are few in some families: a fresh one where there is one, in every split.
  Concept next_concept(const FamilyTrap& trap, bool answer, bool& fresh, Random& random) {
    Concept question = draw_concept(family_, trap, answer, split_, random);
    for (int stale = 1; fresh && questions_.contains(question.question); ++stale) {
      fresh = stale < kStaleDraws;
      question = draw_concept(family_, trap, answer, split_, random);
    }
    questions_.insert(question.question);
    return question;
  }

  void label(Record& record) {
    record.id = fmt::format("{}-{}-{}", family_.id, to_string(split_), index_++);
    record.family = family_.id;
    record.topic = family_.topic;
    record.cluster = fmt::format("{}-{:016x}", family_.id, hash64(record.original->problem));
    record.place = {family_.file, 0, ""};
  }

  const Family& family_;
  Split split_;
  std::uint64_t seed_;
  std::vector<State> traps_;
  std::uint64_t turn_ = 0;
  std::uint64_t index_ = 0;
  std::uint64_t repeats_ = 0;
  bool exhausted_ = false;
  Seen problems_;
  Seen questions_;
};

/// The same for a reply form.
class FormSource {
 public:
  FormSource(const ReplyForm& form, Split split, std::uint64_t seed)
      : form_(form), split_(split), seed_(seed), fresh_(form.examples.size(), true) {}

  std::optional<FormedReply> next() {
    Random random(seed_, fmt::format("{}/{}/{}", form_.id, to_string(split_), index_));
    const std::size_t which = index_++ % form_.examples.size();
    FormedReply reply = draw_reply(form_, which, split_, random);
    for (int stale = 1; fresh_[which] && seen_.contains(reply.instruction); ++stale) {
      fresh_[which] = stale < kStaleDraws;
      reply = draw_reply(form_, which, split_, random);
    }
    if (!seen_.insert(reply.instruction)) ++repeats_;
    return reply;
  }

  const std::string& id() const { return form_.id; }
  std::uint64_t repeats() const { return repeats_; }
  bool exhausted() const { return repeats_ != 0; }

 private:
  const ReplyForm& form_;
  Split split_;
  std::uint64_t seed_;
  std::uint64_t index_ = 0;
  std::uint64_t repeats_ = 0;
  std::vector<bool> fresh_;  ///< by example
  Seen seen_;
};

/// Takes from the sources in turn; those that have nothing more are passed over from then on.
template <typename Source, typename Item, typename Take>
GenerationReport generate_in_turn(const std::vector<Item>& items, Split split, std::uint64_t count, std::uint64_t seed,
                                  const Take& take) {
  std::vector<Source> sources;
  sources.reserve(items.size());
  for (const Item& item : items) sources.emplace_back(item, split, seed);
  std::vector<Source*> turn;
  for (Source& source : sources) turn.push_back(&source);
  std::uint64_t taken = 0;
  for (std::size_t at = 0; taken < count; at = turn.empty() ? 0 : at % turn.size()) {
    if (turn.empty()) {
      throw Error(fmt::format("the families have only {} fresh instances in the split {}, {} are wanted", taken,
                              to_string(split), count));
    }
    if (const auto instance = turn[at]->next()) {
      take(*instance);
      ++taken;
      ++at;
    } else {
      turn.erase(turn.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
  GenerationReport report;
  for (const Source& source : sources) {
    report.repeats += source.repeats();
    if (source.exhausted()) report.exhausted.push_back(source.id());
  }
  return report;
}

}  // namespace

GenerationReport generate_records(const std::vector<Family>& families, Split split, std::uint64_t count,
                                  std::uint64_t seed, const std::function<void(const Record&)>& take) {
  return generate_in_turn<FamilySource>(families, split, count, seed, take);
}

std::vector<Record> generate_records(const std::vector<Family>& families, Split split, std::uint64_t count,
                                     std::uint64_t seed) {
  std::vector<Record> records;
  generate_records(families, split, count, seed, [&](const Record& record) { records.push_back(record); });
  return records;
}

GenerationReport generate_replies(const std::vector<ReplyForm>& forms, Split split, std::uint64_t count,
                                  std::uint64_t seed, const std::function<void(const FormedReply&)>& take) {
  return generate_in_turn<FormSource>(forms, split, count, seed, take);
}

}  // namespace mathtrap

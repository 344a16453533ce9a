#include "traps/generate.h"

#include <fmt/format.h>

#include <optional>
#include <unordered_set>

#include "support/hash.h"

namespace mathtrap {
namespace {

// A test instance needs its original and its trap in a tenth each, so about 100 draws; conditions may cost as many
// again.
constexpr int kMostDraws = 200'000;
// How often an instance is drawn anew because its original was drawn before.
constexpr int kMostRepeats = 200;

const TextTemplate& pick(const std::vector<TextTemplate>& templates, Random& random) {
  return templates[static_cast<std::size_t>(random.uniform_int(0, static_cast<std::int64_t>(templates.size()) - 1))];
}

[[noreturn]] void fail_to_draw(const std::string& file, const std::string& what, Split split) {
  throw Error(fmt::format("{}: no {} for the split {} in {} draws; widen the slots or loosen 'where'", file, what,
                          to_string(split), kMostDraws));
}

/// Runs `attempt` until it gives something.
template <typename Result>
Result draw_until(const std::string& file, const std::string& what, Split split,
                  const std::function<std::optional<Result>()>& attempt) {
  for (int i = 0; i < kMostDraws; ++i) {
    if (std::optional<Result> result = attempt()) return std::move(*result);
  }
  fail_to_draw(file, what, split);
}

Proof render_proof(const ProofTemplates& templates, const std::vector<Value>& cells) {
  const auto field = [&](const char* name) {
    const auto found = templates.find(name);
    return found == templates.end() ? std::string() : found->second.render(cells, RenderStyle::proof);
  };
  return {field("givens"),       field("original"), field("trap"), field("requirement"),
          field("common_sense"), field("defined"),  field("ask"),  field("unproved")};
}

Concept draw_concept(const Family& family, const FamilyTrap& trap, Split split, Random& random) {
  const bool answer = random.uniform_int(0, 1) == 1;
  std::vector<const FamilyConcept*> candidates;
  for (const FamilyConcept& item : trap.concepts) {
    if (item.answer == answer) candidates.push_back(&item);
  }
  return draw_until<Concept>(family.file, "conceptual question", split, [&]() -> std::optional<Concept> {
    const FamilyConcept& source =
        *candidates[static_cast<std::size_t>(random.uniform_int(0, static_cast<std::int64_t>(candidates.size()) - 1))];
    std::vector<Value> cells;
    if (!draw(source.scope, random, cells)) return std::nullopt;
    Concept result;
    result.question = pick(source.questions, random).render(cells);
    const Split of_text = source.split_by_text ? split_by_text(result.question) : split_by_numbers(result.question);
    if (of_text != split) return std::nullopt;
    result.answer = answer;
    if (!source.solutions.empty()) result.solution = pick(source.solutions, random).render(cells);
    return result;
  });
}

/// Everything but the conceptual question, whose draws do not depend on the problem's.
Record draw_problem(const Family& family, const FamilyTrap& trap, Split split, Random& random) {
  return draw_until<Record>(family.file, "problem", split, [&]() -> std::optional<Record> {
    std::vector<Value> cells;
    if (!draw(family.scope, random, cells)) return std::nullopt;
    const auto wording =
        static_cast<std::size_t>(random.uniform_int(0, static_cast<std::int64_t>(family.problems.size()) - 1));
    Record record;
    record.original.emplace();
    record.original->problem = family.problems[wording].render(cells);
    if (split_by_numbers(record.original->problem) != split) return std::nullopt;
    record.original->solution = pick(family.solutions, random).render(cells);
    record.original->answer = family.answer.render(cells);
    if (!draw(trap.scope, random, cells)) return std::nullopt;
    record.trap.emplace();
    // Wordings that correspond keep the difference between original and trap small.
    const bool paired = trap.problems.size() == family.problems.size();
    record.trap->problem = (paired ? trap.problems[wording] : pick(trap.problems, random)).render(cells);
    if (split_by_numbers(record.trap->problem) != split) return std::nullopt;
    record.trap->explanation = trap.explanation.render(cells);
    record.trap->evidence = trap.evidence;
    record.trap_type = trap.type;
    record.proof = render_proof(trap.proof, cells);
    return record;
  });
}

/// Draws the instances of one family one after another and remembers what it gave.
class FamilySource {
 public:
  FamilySource(const Family& family, Split split, std::uint64_t seed)
      : family_(family), split_(split), random_(seed, fmt::format("{}/{}", family.id, to_string(split))) {}

  Record next() {
    const FamilyTrap& trap = family_.traps[index_ % family_.traps.size()];
    Record record = draw_problem(family_, trap, split_, random_);
    for (int i = 0; i < kMostRepeats && seen_.contains(hash64(record.original->problem)); ++i) {
      record = draw_problem(family_, trap, split_, random_);
    }
    if (!seen_.insert(hash64(record.original->problem)).second) ++repeats_;
    record.concepts.push_back(draw_concept(family_, trap, split_, random_));
    record.id = fmt::format("{}-{}-{}", family_.id, to_string(split_), index_++);
    record.family = family_.id;
    record.topic = family_.topic;
    record.cluster = fmt::format("{}-{:016x}", family_.id, hash64(record.original->problem));
    record.place = {family_.file, 0, ""};
    return record;
  }

  std::uint64_t repeats() const { return repeats_; }

 private:
  const Family& family_;
  Split split_;
  Random random_;
  std::uint64_t index_ = 0;
  std::uint64_t repeats_ = 0;
  std::unordered_set<std::uint64_t> seen_;
};

/// The same for a reply form.
class FormSource {
 public:
  FormSource(const ReplyForm& form, Split split, std::uint64_t seed)
      : form_(form), split_(split), random_(seed, fmt::format("{}/{}", form.id, to_string(split))) {}

  FormedReply next() {
    const ReplyExample& example = form_.examples[index_++ % form_.examples.size()];
    FormedReply reply = draw_reply(example);
    for (int i = 0; i < kMostRepeats && seen_.contains(hash64(reply.instruction)); ++i) reply = draw_reply(example);
    if (!seen_.insert(hash64(reply.instruction)).second) ++repeats_;
    return reply;
  }

  std::uint64_t repeats() const { return repeats_; }

 private:
  FormedReply draw_reply(const ReplyExample& example) {
    return draw_until<FormedReply>(form_.file, "question", split_, [&]() -> std::optional<FormedReply> {
      std::vector<Value> cells;
      if (!draw(form_.scope, random_, cells) || !draw(example.scope, random_, cells)) return std::nullopt;
      FormedReply reply{form_.id, pick(example.questions, random_).render(cells),
                        pick(example.replies, random_).render(cells)};
      if (split_by_text(reply.instruction) != split_) return std::nullopt;
      return reply;
    });
  }

  const ReplyForm& form_;
  Split split_;
  Random random_;
  std::uint64_t index_ = 0;
  std::uint64_t repeats_ = 0;
  std::unordered_set<std::uint64_t> seen_;
};

/// Takes from the sources in turn.
template <typename Source, typename Item, typename Take>
std::uint64_t generate_in_turn(const std::vector<Item>& items, Split split, std::uint64_t count, std::uint64_t seed,
                               const Take& take) {
  std::vector<Source> sources;
  sources.reserve(items.size());
  for (const Item& item : items) sources.emplace_back(item, split, seed);
  for (std::uint64_t i = 0; i < count; ++i) take(sources[i % sources.size()].next());
  std::uint64_t repeats = 0;
  for (const Source& source : sources) repeats += source.repeats();
  return repeats;
}

}  // namespace

std::uint64_t generate_records(const std::vector<Family>& families, Split split, std::uint64_t count,
                               std::uint64_t seed, const std::function<void(const Record&)>& take) {
  return generate_in_turn<FamilySource>(families, split, count, seed, take);
}

std::vector<Record> generate_records(const std::vector<Family>& families, Split split, std::uint64_t count,
                                     std::uint64_t seed) {
  std::vector<Record> records;
  generate_records(families, split, count, seed, [&](const Record& record) { records.push_back(record); });
  return records;
}

std::uint64_t generate_replies(const std::vector<ReplyForm>& forms, Split split, std::uint64_t count,
                               std::uint64_t seed, const std::function<void(const FormedReply&)>& take) {
  return generate_in_turn<FormSource>(forms, split, count, seed, take);
}

}  // namespace mathtrap

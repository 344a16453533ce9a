#include "traps/instance.h"

#include <fmt/format.h>

#include <optional>

namespace mathtrap {
namespace {

// An instance of the test split needs its original and its trap in a tenth each, so about 100 draws that meet the
// conditions; these leave one draw in a thousand.
constexpr int kMaxDraws = 200'000;

/// Counts draws, so that a family that gives none is an error and not a hang.
class Attempts {
 public:
  Attempts(const Family& family, Split split, const char* what) : family_(family), split_(split), what_(what) {}

  void next() {
    if (++drawn_ <= kMaxDraws) return;
    if (!met_) {
      throw Error(
          fmt::format("{}: the conditions (where) of the {} were not met in {} draws", family_.file, what_, kMaxDraws));
    }
    throw Error(fmt::format("{}: no {} of {} draws belongs to the split {}; more combinations of numbers are wanted",
                            family_.file, what_, kMaxDraws, to_string(split_)));
  }
  void conditions_met() { met_ = true; }

 private:
  const Family& family_;
  Split split_;
  const char* what_;
  int drawn_ = 0;
  bool met_ = false;
};

std::size_t pick_index(std::size_t count, Random& random) {
  return static_cast<std::size_t>(random.uniform_int(0, static_cast<std::int64_t>(count) - 1));
}

Proof render_proof(const ProofTemplates& templates, const std::vector<Value>& cells) {
  const auto field = [&](const char* name) {
    const auto found = templates.find(name);
    return found == templates.end() ? std::string() : found->second.render(cells, RenderStyle::proof);
  };
  return {field("givens"),       field("original"), field("trap"), field("requirement"),
          field("common_sense"), field("defined"),  field("ask"),  field("unproved")};
}

}  // namespace

const TextTemplate& pick(const std::vector<TextTemplate>& texts, Random& random) {
  return texts[pick_index(texts.size(), random)];
}

Record draw_problem(const Family& family, const FamilyTrap& trap, Split split, Random& random) {
  // Wordings that correspond keep the difference between original and trap small.
  const bool paired = trap.problems.size() == family.problems.size();
  std::vector<Value> cells;
  for (Attempts attempts(family, split, "problem");;) {
    attempts.next();
    if (!draw(family.scope, random, cells) || !draw(trap.scope, random, cells)) continue;
    attempts.conditions_met();
    const std::size_t wording = pick_index(family.problems.size(), random);
    const std::string problem = family.problems[wording].render(cells);
    if (split_by_numbers(problem) != split) continue;
    const std::string trapped = (paired ? trap.problems[wording] : pick(trap.problems, random)).render(cells);
    if (split_by_numbers(trapped) != split) continue;
    Record record;
    record.original = {problem, pick(family.solutions, random).render(cells), family.answer.render(cells)};
    record.trap = {trapped, trap.explanation.render(cells), trap.evidence};
    record.trap_type = trap.type;
    record.proof = render_proof(trap.proof, cells);
    return record;
  }
}

Concept draw_concept(const Family& family, const FamilyTrap& trap, bool answer, Split split, Random& random) {
  std::vector<const FamilyConcept*> sources;
  for (const FamilyConcept& source : trap.concepts) {
    if (source.answer == answer) sources.push_back(&source);
  }
  std::vector<Value> cells;
  const FamilyConcept* source = sources[pick_index(sources.size(), random)];
  for (Attempts attempts(family, split, "conceptual question");;) {
    attempts.next();
    // Another source only after a text of the wrong split: strict conditions must not make a source rare.
    if (!draw(source->scope, random, cells)) continue;
    attempts.conditions_met();
    const std::string question = pick(source->questions, random).render(cells);
    if ((source->split_by_text ? split_by_text(question) : split_by_numbers(question)) == split) {
      const std::string plain = answer ? "True." : "False.";
      return {question, answer, source->solutions.empty() ? plain : pick(source->solutions, random).render(cells)};
    }
    source = sources[pick_index(sources.size(), random)];
  }
}

}  // namespace mathtrap

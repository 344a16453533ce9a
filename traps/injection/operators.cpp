#include "traps/injection/operators.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "support/text.h"
#include "traps/injection/formalisation.h"
#include "traps/proof/obligations.h"

namespace mathtrap {
namespace {

constexpr std::size_t kMaxCandidates = 60;
constexpr std::size_t kMaxChangedNumbers = 4;

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_question(std::string_view sentence) {
  return sentence.ends_with('?') || RE2::PartialMatch(re2::StringPiece(sentence.data(), sentence.size()),
                                                      R"(^(?:Find|Compute|Determine|Calculate|What|How|Evaluate)\b)");
}

/// The text with the first `from` in it replaced.
std::string with_text(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

/// Collects candidates of one original.
class Deriver {
 public:
  explicit Deriver(const Record& record)
      : record_(record), facts_(formalise(record)), numbers_(shared_numbers(facts_)) {
    if (numbers_.size() > kMaxChangedNumbers) numbers_.resize(kMaxChangedNumbers);
  }

  std::vector<TrapCandidate> derive() {
    drop_givens();
    contradict_givens();
    change_numbers();
    if (candidates_.size() > kMaxCandidates) candidates_.resize(kMaxCandidates);
    return std::move(candidates_);
  }

 private:
  const std::string& problem() const { return record_.original->problem; }

  /// A candidate whose original alone states `own` and whose trap alone states `foreign`.
  Record variant(const std::vector<std::size_t>& own, const std::vector<Statement>& foreign, std::string trap) const {
    Record record;
    record.id = record_.id;
    record.topic = record_.topic;
    record.cluster = record_.cluster;
    record.place = record_.place;
    record.original = record_.original;
    record.trap = Trap{std::move(trap), "", {}};
    record.proof = record_.proof;
    record.proof.unproved.clear();
    record.proof.givens = facts_.declarations;
    record.proof.original.clear();
    record.proof.trap.clear();
    for (std::size_t i = 0; i < facts_.givens.size(); ++i) {
      const bool is_own = std::find(own.begin(), own.end(), i) != own.end();
      const Statement& statement = facts_.givens[i].statement;
      (is_own ? record.proof.original : record.proof.givens) += smt_assertion(statement.name, statement.body);
    }
    for (const Statement& statement : foreign) record.proof.trap += smt_assertion(statement.name, statement.body);
    return record;
  }

  void keep(Operation operation, TrapType type, Record record) {
    record.trap_type = type;
    candidates_.push_back({std::move(operation), std::move(record)});
  }

  // --- drop a given ---

  void drop_givens() {
    for (const SharedNumber& shared : numbers_) drop_number(shared);
    for (const SharedNumber& shared : numbers_) drop_clause(shared);
    for (const Given& given : facts_.givens) drop_sentence(given.sentence);
  }

  /// "gives 12 apples" becomes "gives some apples", behind a verb or a preposition that bears it.
  void drop_number(const SharedNumber& shared) {
    static const RE2 counted(
        R"(^((?:.*[^\d\\{^_=+*/-])?\b([A-Za-z]+) )\$?(\d+)\$?( (?:more |small |large |red |blue |green |whole )?[a-z]+.*)$)");
    static const RE2 fit(
        R"(^(?:has|have|had|(?:buy|sell|give|get|take|need|cost|pay|eat|hold|contain|weigh|save|earn|drive|walk|run|read|make|bring|keep|lose|win|spend|add|remove|put|pick|use|last|leave|work|wait|rain|sleep|climb|count|plant|bake|collect)s?|bought|sold|gave|got|took|paid|ate|held|made|lost|won|spent|for|after|in|with|worth|there)$)");
    const Given& given = facts_.givens[shared.given];
    std::string before;
    std::string word;
    std::string number;
    std::string after;
    if (is_question(given.sentence) || shared.value == "1" ||
        !RE2::FullMatch(given.sentence, counted, &before, &word, &number, &after) || number != shared.value ||
        !RE2::FullMatch(word, fit)) {
      return;
    }
    const std::string vague = before + "some" + after;
    keep({"drop a given", given.sentence, vague, shared.value, "", ""}, TrapType::missing_condition,
         variant({shared.given}, {}, with_text(problem(), given.sentence, vague)));
  }

  /// "A and B." becomes "A." when only the statement speaks of B.
  void drop_clause(const SharedNumber& shared) {
    const Given& given = facts_.givens[shared.given];
    if (is_question(given.sentence)) return;
    const std::size_t conjunction = given.sentence.rfind(" and ");
    if (conjunction == std::string::npos || !given.sentence.ends_with('.')) return;
    const std::string_view clause = std::string_view(given.sentence).substr(conjunction);
    static const RE2 verb(R"(=|\b(?:is|are|has|have|was|costs?|weighs?|measures?|takes?|gets?|leaves|ends|equals)\b)");
    static const RE2 one_of_a_pair(R"((?i)\b(?:between|both|either)\b)");
    const bool alone = clause.find(shared.value) != std::string::npos && clause.find(',') == std::string::npos &&
                       std::count(clause.begin(), clause.end(), '$') % 2 == 0 &&
                       RE2::PartialMatch(re2::StringPiece(clause.data(), clause.size()), verb) &&
                       RE2::PartialMatch(re2::StringPiece(given.sentence.data(), conjunction), verb) &&
                       !RE2::PartialMatch(given.sentence, one_of_a_pair);
    if (!alone) return;
    std::string left = given.sentence.substr(0, conjunction);
    if (left.ends_with(',')) left.pop_back();
    left += '.';
    keep({"drop a given", given.sentence, left, shared.value, "", ""}, TrapType::missing_condition,
         variant({shared.given}, {}, with_text(problem(), given.sentence, left)));
  }

  /// A whole sentence with all that it states, unless it opens the problem.
  void drop_sentence(const std::string& sentence) {
    if (sentence.empty() || is_question(sentence) || problem().starts_with(sentence) ||
        std::find(dropped_.begin(), dropped_.end(), sentence) != dropped_.end()) {
      return;
    }
    dropped_.push_back(sentence);
    std::vector<std::size_t> stated;
    for (std::size_t i = 0; i < facts_.givens.size(); ++i) {
      if (facts_.givens[i].sentence == sentence) stated.push_back(i);
    }
    std::string trap = with_text(problem(), sentence, "");
    trap = replace_all(trap, "  ", " ");
    keep({"drop a given", sentence, "", "", "", ""}, TrapType::missing_condition,
         variant(stated, {}, std::string(trim_blanks(trap))));
  }

  // --- contradict a given ---

  /// A sentence that can be said once more of the same things: "A rope is …" as "The same rope is …". Nothing when it
  /// would speak of others.
  static std::optional<std::string> said_again(const std::string& sentence) {
    static const RE2 introduces(R"(^(?:An? (.*)|((?:Two|Three|Four|Five|Six) .*))$)");
    static const RE2 somewhere(R"(^(?:In|On|At|For|From|When|If|With|Inside|Around|Among) an? )");
    std::string rest;
    std::string counted;
    if (RE2::PartialMatch(sentence, somewhere)) return std::nullopt;
    if (!RE2::FullMatch(sentence, introduces, &rest, &counted)) return sentence;
    if (rest.empty()) rest = lower_case(counted.substr(0, 1)) + counted.substr(1);
    return "The same " + rest;
  }

  /// The sentence is said once more with another number.
  void contradict_givens() {
    for (const SharedNumber& shared : numbers_) {
      const Given& given = facts_.givens[shared.given];
      const auto again = said_again(given.sentence);
      if (is_question(given.sentence) || !again) continue;
      for (const std::string& other : values_near(shared.value)) {
        if (other == "0" || other == "1") continue;
        Statement statement = with_number(given.statement, shared.value, other);
        if (statement.name == given.statement.name) statement.name += "_" + other;
        const std::string both = given.sentence + " " + with_number(*again, shared.value, other);
        keep({"contradict a given", given.sentence, both, shared.value, other, ""}, TrapType::direct_contradiction,
             variant({}, {statement}, with_text(problem(), given.sentence, both)));
        break;
      }
    }
  }

  // --- change a number ---

  static std::vector<std::string> values_near(const std::string& value) {
    const std::int64_t number = whole_number(value).value_or(0);
    std::vector<std::string> values;
    for (const std::int64_t other :
         {number + 1, number - 1, number + 2, 2 * number, 10 * number, 3 * number + 1, std::int64_t{0}}) {
      const std::string text = std::to_string(other);
      if (other >= 0 && other != number && std::find(values.begin(), values.end(), text) == values.end()) {
        values.push_back(text);
      }
    }
    return values;
  }

  void change_numbers() {
    for (const SharedNumber& shared : numbers_) {
      for (const std::string& other : values_near(shared.value)) change_number(shared, other);
    }
  }

  void change_number(const SharedNumber& shared, const std::string& other) {
    const Given& given = facts_.givens[shared.given];
    const std::string changed = with_number(given.sentence, shared.value, other);
    Statement statement = with_number(given.statement, shared.value, other);
    const Record record = variant({shared.given}, {statement}, with_text(problem(), given.sentence, changed));
    const Operation operation{"change a number", given.sentence, changed, shared.value, other, ""};
    const Proof& proof = record_.proof;
    if (!proof.defined.empty()) keep(operation, TrapType::concept_undefined, record);
    if (!proof.requirement.empty()) keep(operation, TrapType::indirect_contradiction, record);
    if (!proof.common_sense.empty()) keep(operation, TrapType::violating_common_sense, record);
    if (other != "0") require(operation, record);
    count_nothing_below_zero(operation, record);
  }

  // --- tighten the requirement, and facts of the world ---

  bool asks_for_int() const {
    static const RE2 declared(R"(\(declare-const (\S+) Int\))");
    std::string name;
    re2::StringPiece text(facts_.declarations);
    while (RE2::FindAndConsume(&text, declared, &name)) {
      if (trim_blanks(record_.proof.ask) == name) return true;
    }
    return false;
  }

  /// Both problems ask for an answer of a kind that the original has and the trap may not have.
  void require(Operation operation, Record record) {
    const auto answer = whole_number(record_.original->answer);
    if (!answer || record_.proof.ask.empty()) return;
    const std::string ask(trim_blanks(record_.proof.ask));
    const bool integral = asks_for_int();
    const std::string remainder = *answer % 2 == 0 ? "0" : "1";
    const std::string parity = integral
                                   ? fmt::format("(= (mod {} 2) {})", ask, remainder)
                                   : fmt::format("(and (is_int {0}) (= (mod (to_int {0}) 2) {1}))", ask, remainder);
    const auto keep_required = [&](const std::string& kind, const std::string& name, const std::string& body) {
      Record required = record;
      const std::string sentence = fmt::format(" The answer is {}.", kind);
      required.original->problem += sentence;
      required.trap->problem += sentence;
      required.proof.requirement.append("\n").append(smt_assertion(name, body));
      operation.required = kind;
      keep(operation, TrapType::indirect_contradiction, std::move(required));
    };
    if (!integral) keep_required("a whole number", "answer_is_a_whole_number", fmt::format("(is_int {})", ask));
    const bool even = *answer % 2 == 0;
    keep_required(even ? "an even number" : "an odd number", even ? "answer_is_even" : "answer_is_odd", parity);
  }

  /// "How many", "how long": what is counted or measured so is not negative.
  void count_nothing_below_zero(const Operation& operation, Record record) {
    static const RE2 counts(R"((?i)\bhow (?:many|much|long|far|old|tall|high|wide|heavy)\b)");
    static const RE2 below_zero(R"((?i)degree|temperature|celsius|integer|number)");
    const auto answer = whole_number(record_.original->answer);
    if (!answer || *answer < 0 || !RE2::PartialMatch(problem(), counts) || RE2::PartialMatch(problem(), below_zero)) {
      return;
    }
    const std::string fact = fmt::format("(>= {} 0)", trim_blanks(record_.proof.ask));
    record.proof.common_sense.append("\n").append(smt_assertion("what_is_counted_or_measured_is_not_negative", fact));
    keep(operation, TrapType::violating_common_sense, std::move(record));
  }

  const Record& record_;
  Formalisation facts_;
  std::vector<SharedNumber> numbers_;
  std::vector<std::string> dropped_;
  std::vector<TrapCandidate> candidates_;
};

}  // namespace

std::vector<TrapCandidate> derive_candidates(const Record& record) {
  if (!record.original || record.proof.givens.empty() || record.proof.ask.empty()) return {};
  if (!answer_as_term(record.original->answer)) return {};
  return Deriver(record).derive();
}

}  // namespace mathtrap

// Injection: what operations make of an original is faithful in text and proof, and what a model proposes is believed
// in nothing.
#include <algorithm>
#include <map>
#include <set>

#include "support/files.h"
#include "tests/catch.h"
#include "tests/traps/scratch_family.h"
#include "traps/injection/formalisation.h"
#include "traps/injection/inject.h"
#include "traps/injection/operators.h"
#include "traps/injection/proposal.h"
#include "traps/lint/lint.h"
#include "traps/proof/prover.h"

using namespace mathtrap;

namespace {

constexpr std::string_view kRope = R"(trap_type = "indirect_contradiction"
topic = "algebra"
[original]
problem = '''A rope is $20$ metres long. Anna cuts it into two parts, and the longer part has $4$ metres more than the other. How many metres long is the longer part?'''
solution = '''Twice the longer part is $20+4=24$, so it has $\boxed{12}$ metres.'''
answer = '12'
[proof]
givens = '''
(declare-const longer Real)
(declare-const shorter Real)
(assert (! (= (+ longer shorter) 20.0) :named rope_is_20_metres_long))
'''
original = '''(assert (! (= (- longer shorter) 4.0) :named longer_part_has_4_more))'''
ask = 'longer'
)";

Record rope(std::initializer_list<std::pair<std::string_view, std::string_view>> replacements = {}) {
  const ScratchFile file(
      edited(edited(std::string(kRope), {{"trap_type = \"indirect_contradiction\"\n", ""}}), replacements), "rope");
  return read_toml_record(file.path());
}

std::map<TrapType, Record> by_type(const std::vector<Record>& records) {
  std::map<TrapType, Record> result;
  for (const Record& record : records) result.emplace(*record.trap_type, record);
  return result;
}

}  // namespace

TEST_CASE("numbers that text and proof share are found, and changed in both") {
  const Record record = rope();
  const Formalisation formalisation = formalise(record);
  REQUIRE(formalisation.givens.size() == 2);
  CHECK(formalisation.givens[0].sentence == "A rope is $20$ metres long.");
  CHECK(formalisation.givens[1].sentence.starts_with("Anna cuts it"));
  const std::vector<SharedNumber> shared = shared_numbers(formalisation);
  REQUIRE(shared.size() == 2);
  CHECK(shared[0].value == "20");
  CHECK(shared[1].value == "4");
  const Statement changed = with_number(formalisation.givens[0].statement, "20", "7");
  CHECK(changed.body == "(= (+ longer shorter) 7.0)");
  CHECK(changed.name == "rope_is_7_metres_long");
  CHECK(with_number("It has 1,000 and $20$ and 200.", "20", "7") == "It has 1,000 and $7$ and 200.");
}

TEST_CASE("a number that two statements of one sentence use is not changed") {
  const Record record = rope({{"(declare-const shorter Real)", R"((declare-const shorter Real)
(assert (! (<= longer 20.0) :named rope_of_20_metres_is_not_shorter)))"}});
  for (const SharedNumber& shared : shared_numbers(formalise(record))) CHECK(shared.value != "20");
}

TEST_CASE("from one original come proved traps of several types, worded and with what conflicts") {
  const Injection injection = inject_traps({rope()}, 2);
  const std::map<TrapType, Record> traps = by_type(injection.traps);
  CHECK(injection.traps.size() == traps.size());
  REQUIRE(traps.contains(TrapType::direct_contradiction));
  REQUIRE(traps.contains(TrapType::indirect_contradiction));
  REQUIRE(traps.contains(TrapType::missing_condition));
  CHECK(traps.at(TrapType::direct_contradiction)
            .trap->problem.starts_with("A rope is $20$ metres long. The same rope is $21$ metres long. Anna"));
  CHECK(traps.at(TrapType::missing_condition).trap->problem.find("has some metres more") != std::string::npos);
  CHECK(traps.at(TrapType::missing_condition).flaw.answers.size() == 2);
  const Record& indirect = traps.at(TrapType::indirect_contradiction);
  CHECK(indirect.original->problem.ends_with("The answer is a whole number."));
  CHECK(indirect.trap->problem.find("$21$") != std::string::npos);
  for (const Record& record : injection.traps) {
    INFO(record.id);
    CHECK(record.cluster == rope().cluster);
    CHECK(record.concepts.size() == 2);
    CHECK(record.concepts[0].answer != record.concepts[1].answer);
    CHECK(lint({record}, {}).empty());
    CHECK(prove_all({parse_json_record(write_json_record(record), {})}, {}, 1)[0].verdict == ProofVerdict::proved);
  }
}

TEST_CASE("what cannot be a start for injection is rejected with the reason") {
  Record bare = rope();
  bare.proof = {};
  Record wrong = rope({{"answer = '12'", "answer = '13'"}});
  wrong.id = "wrong";
  const Injection injection = inject_traps({bare, wrong}, 2);
  CHECK(injection.traps.empty());
  REQUIRE(injection.rejected.size() >= 2);
  CHECK(injection.rejected[0].reason.find("no original with a formalisation") != std::string::npos);
  const bool told = std::any_of(injection.rejected.begin(), injection.rejected.end(), [](const Rejection& rejection) {
    return rejection.id == "wrong" && rejection.reason.find("the original is refuted") != std::string::npos;
  });
  CHECK(told);
}

TEST_CASE("the authored originals give two proved traps of different types each, on average") {
  const std::vector<Record> open = read_dataset(resource("datasets/open").string());
  std::vector<Record> some;
  for (std::size_t i = 0; i < open.size(); i += 8) some.push_back(open[i]);
  const Injection injection = inject_traps(some, 2);
  std::set<std::pair<std::string, TrapType>> kinds;
  for (const Record& record : injection.traps) kinds.emplace(record.cluster, *record.trap_type);
  CHECK(kinds.size() == injection.traps.size());
  CHECK(injection.traps.size() >= 2 * some.size());
}

TEST_CASE("a proposal is read from the midst of a reply, and refused with a reason where it is none") {
  const Record original = rope();
  const std::string good = R"json({"problem": "A {rope}.", "explanation": "It cannot be.", "evidence": ["cannot"],
    "concept": [{"question": "Is it?", "answer": true}],
    "proof": {"trap": "(assert (! (= longer 1.0) :named one))"}})json";
  const Record record =
      read_proposal(original, TrapType::direct_contradiction, "I think {so}. {\"a\": 1} ```json\n" + good + "\n```");
  CHECK(record.trap->problem == "A {rope}.");
  CHECK(record.proof.trap.find(":named one") != std::string::npos);
  CHECK(record.proof.givens == original.proof.givens);
  CHECK(record.trap_type == TrapType::direct_contradiction);

  const auto refusal = [&](const std::string& reply) {
    return error_of([&] { read_proposal(original, TrapType::direct_contradiction, reply); });
  };
  CHECK(refusal("no object").find("no JSON object") != std::string::npos);
  CHECK(refusal(R"({"problem": "A")").find("no JSON object") != std::string::npos);
  CHECK(refusal(std::string(100'000, '{')).find("more than") != std::string::npos);
  CHECK(refusal(std::string(60'000, '{')).find("no JSON object") != std::string::npos);
  CHECK(refusal(R"({"problem": "A"})").find("explanation") != std::string::npos);
  CHECK(refusal(edited(good, {{R"("proof")", R"("proofs")"}})).find("proof") != std::string::npos);
  CHECK(refusal(edited(good, {{"\"cannot\"", "\"(\""}})).find("evidence") != std::string::npos);
  CHECK(refusal(edited(good, {{R"("A {rope}.")", "7"}})).find("problem") != std::string::npos);
  CHECK(refusal(edited(good, {{R"("trap": ")", R"("unproved": "trust me", "trap": ")"}})).find("no proof") !=
        std::string::npos);
}

TEST_CASE("the question to a model holds the original, its formalisation and the type") {
  const std::string prompt = proposal_prompt(rope(), TrapType::missing_condition);
  for (const char* part : {"A rope is $20$ metres long.", ":named longer_part_has_4_more", "missing_condition",
                           "two different values", "(nothing)"}) {
    INFO(part);
    CHECK(prompt.find(part) != std::string::npos);
  }
  CHECK(prompt.find('@') == std::string::npos);
}

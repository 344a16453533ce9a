// The prover: what holds is proved, what does not is refuted with a reason, and no formula stops the run.
#include <chrono>
#include <map>

#include "datasets/record.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/traps/scratch_family.h"
#include "traps/generate.h"
#include "traps/proof/proof_json.h"
#include "traps/proof/prover.h"
#include "traps/proof/smt_text.h"

using namespace mathtrap;

namespace {

constexpr std::string_view kNumbers = R"(trap_type = "indirect_contradiction"
topic = "algebra"
[original]
problem = '''Two whole numbers have the sum 10 and the difference 4. What is the greater one?'''
solution = '''It is $(10+4)/2=\boxed{7}$.'''
answer = '7'
[trap]
problem = '''Two whole numbers have the sum 10 and the difference 5. What is the greater one?'''
explanation = '''Twice the greater number would be 15, which is odd.'''
evidence = ['(?i)odd']
[[concept]]
question = '''Can twice a whole number be odd?'''
answer = false
[proof]
givens = '''
(declare-const greater Real)
(declare-const smaller Real)
(assert (! (= (+ greater smaller) 10.0) :named sum_is_10))
(assert (! (>= smaller 0.0) :named smaller_is_not_negative))
'''
original = '''(assert (! (= (- greater smaller) 4.0) :named difference_is_4))'''
trap = '''(assert (! (= (- greater smaller) 5.0) :named difference_is_5))'''
requirement = '''(assert (! (and (is_int greater) (is_int smaller)) :named both_are_whole))'''
ask = 'greater'
)";

Record record_of(std::string_view text) {
  const ScratchFile file(text);
  return read_toml_record(file.path());
}

Record numbers(std::initializer_list<std::pair<std::string_view, std::string_view>> replacements = {}) {
  return record_of(edited(std::string(kNumbers), replacements));
}

ProofResult prove(const Record& record, const ProofLimits& limits = {}) {
  return prove_all({record}, limits, 1).at(0);
}

void check_all_proved(const std::vector<Record>& records) {
  for (const ProofResult& result : prove_all(records, {}, 2)) {
    INFO(to_json(result).dump());
    CHECK(result.verdict == ProofVerdict::proved);
    CHECK(result.original.verdict == ProofVerdict::proved);
    CHECK(result.trap.verdict == ProofVerdict::proved);
    // Every trap comes with its ground: two answers, or the statements that conflict.
    if (result.trap.core.empty()) CHECK(result.trap.witnesses.size() == 2);
  }
}

}  // namespace

TEST_CASE("every shipped triple is proved") {
  check_all_proved(read_dataset(resource("datasets/open").string()));
}

TEST_CASE("instances of every shipped family are proved, in every split") {
  const std::vector<Family> families = read_families(resource("datasets/families").string());
  for (const Split split : {Split::train, Split::validation, Split::test}) {
    check_all_proved(generate_records(families, split, families.size() * 4, 11));
  }
}

TEST_CASE("a sound triple is proved, with the statements that conflict and no others") {
  const ProofResult result = prove(numbers());
  CHECK(result.verdict == ProofVerdict::proved);
  CHECK(result.trap.core == std::vector<std::string>{"sum_is_10", "difference_is_5", "both_are_whole"});
}

TEST_CASE("a wrong answer is refuted with what the answer may be instead") {
  const ProofResult result = prove(numbers({{"answer = '7'", "answer = '6'"}}));
  CHECK(result.verdict == ProofVerdict::refuted);
  CHECK(result.original.verdict == ProofVerdict::refuted);
  CHECK(result.original.message == "the answer need not be 6: it may be 7.0");
  REQUIRE(result.original.witnesses.size() == 1);
  const auto& values = result.original.witnesses[0].values;
  REQUIRE(values.size() == 2);
  CHECK(values[0].name == "greater");
  CHECK(values[0].value == "7.0");
  CHECK(values[1].name == "smaller");
  CHECK(values[1].value == "3.0");
}

TEST_CASE("an original without its condition is refuted: its answer is not the only one") {
  const ProofResult result = prove(numbers({{"(= (- greater smaller) 4.0)", "(> greater smaller)"}}));
  CHECK(result.original.verdict == ProofVerdict::refuted);
  CHECK(result.original.message.starts_with("the answer need not be 7: it may be "));
}

TEST_CASE("an original that contradicts itself is refuted with the statements that conflict") {
  const ProofResult result = prove(numbers({{"(= (- greater smaller) 4.0)", "(= greater 20.0)"}}));
  CHECK(result.original.verdict == ProofVerdict::refuted);
  CHECK(result.original.core == std::vector<std::string>{"sum_is_10", "smaller_is_not_negative", "difference_is_4"});
}

TEST_CASE("a wrong type is refuted with the type that the trap is of") {
  const std::map<std::string, std::string> wrong = {
      {"missing_condition", "the trap's statements cannot hold together; it proves as indirect_contradiction"},
      {"direct_contradiction", "the trap's statements can hold together; it proves as indirect_contradiction"},
      {"violating_common_sense",
       "the trap's statements contradict each other without common sense; it proves as indirect_contradiction"}};
  for (const auto& [type, message] : wrong) {
    const ProofResult result = prove(numbers({{"indirect_contradiction", type}}));
    INFO(type);
    CHECK(result.trap.verdict == ProofVerdict::refuted);
    CHECK(result.trap.message == message);
    CHECK(result.trap.provable == std::vector<TrapType>{TrapType::indirect_contradiction});
  }
}

TEST_CASE("a trap that has an answer is refuted with a solution") {
  const ProofResult result = prove(numbers({{"difference 5", "difference 6"}, {"smaller) 5.0)", "smaller) 6.0)"}}));
  CHECK(result.trap.verdict == ProofVerdict::refuted);
  CHECK(result.trap.provable.empty());
  REQUIRE(result.trap.witnesses.size() == 1);
  CHECK(result.trap.witnesses[0].ask == "8.0");
}

TEST_CASE("a missing condition shows two different answers") {
  const ProofResult result = prove(numbers(
      {{"indirect_contradiction", "missing_condition"}, {"(= (- greater smaller) 5.0)", "(> greater smaller)"}}));
  CHECK(result.trap.verdict == ProofVerdict::proved);
  REQUIRE(result.trap.witnesses.size() == 2);
  CHECK(result.trap.witnesses[0].ask != result.trap.witnesses[1].ask);
}

TEST_CASE("a term that may be undefined is no answer, and one that is always defined is no trap") {
  const Record record = numbers({{"indirect_contradiction", "concept_undefined"},
                                 {"ask = 'greater'", "defined = '(> greater 6.0)'\nask = 'greater'"}});
  const ProofResult result = prove(record);
  CHECK(result.original.verdict == ProofVerdict::proved);
  CHECK(result.trap.message.starts_with("what the trap asks for may be defined"));
}

TEST_CASE("a quotient by zero is not a missing condition") {
  const Record record =
      numbers({{"indirect_contradiction", "missing_condition"},
               {"requirement = '''(assert (! (and (is_int greater) (is_int smaller)) :named both_are_whole))'''",
                "defined = '(not (= (- greater 7.5) 0.0))'"},
               {"answer = '7'", "answer = '-14'"},
               {"ask = 'greater'", "ask = '(/ greater (- greater 7.5))'"}});
  const ProofResult result = prove(record);
  CHECK(result.original.verdict == ProofVerdict::proved);
  CHECK(result.trap.verdict == ProofVerdict::refuted);
  CHECK(result.trap.provable == std::vector<TrapType>{TrapType::concept_undefined});
}

TEST_CASE("a text that cannot be formalised is reported as such, never as proved") {
  std::string text(kNumbers);
  text.resize(text.find("[proof]"));
  const ProofResult result = prove(record_of(text + "[proof]\nunproved = 'It is about a drawing.'\n"));
  CHECK(result.verdict == ProofVerdict::unproved);
  CHECK(result.trap.message == "It is about a drawing.");
}

TEST_CASE("an answer that is no number leaves the original undecided, and says why") {
  const ProofResult result = prove(numbers({{"answer = '7'", "answer = 'seven'"}}));
  CHECK(result.verdict == ProofVerdict::undecided);
  CHECK(result.original.message == "the answer 'seven' is not a number that can be compared with proof.ask");
}

TEST_CASE("answers as terms") {
  CHECK(answer_as_term("12") == "12");
  CHECK(answer_as_term("-3") == "(- 3)");
  CHECK(answer_as_term("2.50") == "2.50");
  CHECK(answer_as_term("\\frac{9}{4}") == "(/ 9.0 4.0)");
  CHECK(answer_as_term("-\\dfrac{9}{4}") == "(- (/ 9.0 4.0))");
  CHECK(answer_as_term("5/6") == "(/ 5.0 6.0)");
  for (const char* other : {"", "x", "1/0", "\\frac{1}{00}", "1 2", "3)", "2^10", "\\sqrt{2}"}) {
    INFO(other);
    CHECK_FALSE(answer_as_term(other).has_value());
  }
}

TEST_CASE("a formula that does not end is stopped, and the problems after it are proved") {
  // Whether 114 is a sum of three cubes is not known.
  const Record endless = numbers({{"(assert (! (>= smaller 0.0)",
                                   "(declare-const a Int)(declare-const b Int)(declare-const c Int)\n"
                                   "(assert (= (+ (* a a a) (* b b b) (* c c c)) 114))\n(assert (! (>= smaller 0.0)"}});
  ProofLimits limits;
  limits.seconds = 0.3;
  const auto start = std::chrono::steady_clock::now();
  const auto results = prove_all({endless, numbers(), endless, numbers()}, limits, 2);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
  CHECK(results[0].verdict == ProofVerdict::undecided);
  CHECK(results[1].verdict == ProofVerdict::proved);
  CHECK(results[2].original.message.find("gave up") != std::string::npos);
  CHECK(results[3].verdict == ProofVerdict::proved);
}

TEST_CASE("a formula that eats memory is reported, and the problems after it are proved") {
  // A tower of doublings: 2^100 additions once it is written out.
  std::string tower;
  for (int i = 1; i <= 100; ++i) {
    tower += fmt::format("(define-fun d{} ((v Real)) Real (* (d{} v) (d{} (+ v {}.0))))\n", i, i - 1, i - 1, i);
  }
  const Record greedy =
      numbers({{"(assert (! (>= smaller 0.0)", "(define-fun d0 ((v Real)) Real (+ v 1.0))\n" + tower +
                                                   "(assert (= (d100 smaller) 3.0))\n(assert (! (>= smaller 0.0)"}});
  ProofLimits limits;
  limits.seconds = 1;
  limits.megabytes = 64;
  const auto results = prove_all({greedy, numbers()}, limits, 1);
  CHECK(results[0].verdict == ProofVerdict::undecided);
  CHECK(results[1].verdict == ProofVerdict::proved);
}

TEST_CASE("the number of workers changes nothing") {
  const auto records = generate_records(read_families(resource("datasets/families").string()), Split::test, 46, 3);
  const auto one = prove_all(records, {}, 1);
  const auto three = prove_all(records, {}, 3);
  REQUIRE(one.size() == three.size());
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(to_json(one[i]).dump() == to_json(three[i]).dump());
}

TEST_CASE("a proof result survives JSON") {
  for (const ProofResult& result : prove_all({numbers(), numbers({{"answer = '7'", "answer = '6'"}})}, {}, 1)) {
    CHECK(to_json(proof_result_of(to_json(result))).dump() == to_json(result).dump());
    CHECK(proof_result_of(to_json(result)).verdict == result.verdict);
  }
}

TEST_CASE("proof texts hold declarations and assertions only") {
  const auto message = [](std::string_view text) {
    return error_of([&] { read_smt_text(text, "givens", {"file.toml", 0, ""}); });
  };
  const std::pair<std::string_view, std::string_view> refused[] = {
      {"(check-sat)", "line 1 of the text has '(check-sat)'; known: declare-const"},
      {"(set-option :regular-output-channel \"x\")", "uses \""},
      {"\n(eval 1)", "line 2 of the text has '(eval 1)'"},
      {"(assert (= a 1)", "a '(' that is never closed"},
      {"(assert true))", "a ')' without its '('"},
      {"(assert (! true))", "a '!' without :named"},
      {"(assert (and (! a :named x) b))", "names a part of a formula"},
      {"(assert |a b|)", "uses |"},
      {"(assert \xc3\xa4)", "not ASCII"},
      {"true", "has 'true'"},
      {"(assert)", "an assert without a formula"},
  };
  for (const auto& [text, part] : refused) {
    INFO(text);
    CHECK(message(text).find("file.toml: proof.givens: ") == 0);
    CHECK(message(text).find(part) != std::string::npos);
  }
  CHECK(message(std::string(200, '(')).find("nested deeper than 100") != std::string::npos);
  CHECK(message(std::string(300000, ' ')).find("at most 262144 are read") != std::string::npos);

  const SmtText text =
      read_smt_text("; comment\n(declare-const a\n Int) (assert ( >  a 1 ))(assert (! a :named b))", "trap", {});
  CHECK(text.declarations == "(declare-const a Int)\n");
  REQUIRE(text.statements.size() == 2);
  CHECK(text.statements[0].name == "trap_1");
  CHECK(text.statements[0].body == "(> a 1)");
  CHECK(text.statements[1].name == "b");
  CHECK(text.statements[1].body == "a");
  CHECK(read_smt_term(" ( f x ) ; asked", "ask", {}) == "(f x)");
  CHECK(error_of([] { read_smt_term("x y", "ask", {}); }).find("more than one term") != std::string::npos);
  CHECK(error_of([] { read_smt_term(" ; nothing", "ask", {}); }).find("holds no term") != std::string::npos);
}

TEST_CASE("two statements of one name, and a text that Z3 cannot read, are said plainly") {
  CHECK(error_of([] {
          prove(numbers({{"smaller_is_not_negative", "sum_is_10"}}));
        }).find("two statements are named 'sum_is_10'") != std::string::npos);
  const ProofResult result = prove(numbers({{"(>= smaller 0.0)", "(>= samller 0.0)"}}));
  CHECK(result.verdict == ProofVerdict::undecided);
  CHECK(result.original.message.find("unknown constant samller") != std::string::npos);
  CHECK(result.original.message.find('\n') == std::string::npos);
}

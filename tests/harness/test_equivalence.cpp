// By which rule an answer states the reference: the published grader of MATH, and lettered choices.
#include <string>

#include "harness/choices.h"
#include "harness/equivalence.h"
#include "harness/hendrycks.h"
#include "harness/judge.h"
#include "harness/judges.h"
#include "support/error.h"
#include "tests/harness/golden.h"

using namespace mathtrap;

TEST_CASE("the published grader of MATH: pairs and what another program says of them") {
  int pairs = 0;
  for_each_case(golden("answers/hendrycks.jsonl"), [&](const Json& pair) {
    if (pair.contains("note")) return;
    const auto reference = pair["reference"].get<std::string>();
    const auto answer = pair["answer"].get<std::string>();
    CHECK(hendrycks_equal(reference, answer) == pair["equal"].get<bool>());
    CHECK(hendrycks_equal(answer, reference) == pair["equal"].get<bool>());
    ++pairs;
  });
  CHECK(pairs >= 400);
}

TEST_CASE("the published grader knows no values, and drops a percent sign and a short name") {
  CHECK_FALSE(hendrycks_equal("\\frac{1}{4}", "0.25"));
  CHECK_FALSE(hendrycks_equal("1000", "1,000"));
  CHECK(hendrycks_equal("0.5", "1/2"));
  CHECK(hendrycks_equal("50\\%", "50%"));
  CHECK(hendrycks_equal("k = 5", "5"));
  CHECK(hendrycks_equal("\\left( x/2 \\right)", "(x/2)"));
  CHECK_FALSE(hendrycks_equal("\\sqrt", "\\sqrt "));
}

TEST_CASE("the judge of rules takes the equivalence that it is opened with, and says so") {
  const Reference reference{Arm::original, "Halve a half.", "\\frac{1}{4}", {}};
  JudgeOptions options;
  options.equivalence = parse_equivalence("hendrycks");
  const auto published = open_judge("rules", options);
  const auto by_value = open_judge("rules", {});
  const ReplyToJudge reply{&reference, "\\boxed{0.25}", false};
  CHECK(published->judge({&reply, 1})[0]->verdict == Verdict::incorrect);
  CHECK(by_value->judge({&reply, 1})[0]->verdict == Verdict::correct);
  CHECK(published->description() != by_value->description());
  CHECK(published->description()["equivalence"] == "hendrycks");
  CHECK_THROWS_AS(parse_equivalence("sympy"), Error);
  CHECK_THROWS_AS(open_judge("llm:zoo:organism", options), Error);
}

TEST_CASE("lettered choices: the letter and what it says are the same answer") {
  for_each_case(golden("answers/choices.jsonl"), [](const Json& fields) {
    const Reference reference{
        Arm::original, fields["problem"].get<std::string>(), fields["answer"].get<std::string>(), {}};
    const Judgement judgement = judge_reply(reference, fields["reply"].get<std::string>(), false);
    CHECK(to_string(judgement.verdict) == fields["verdict"].get<std::string>());
  });
}

TEST_CASE("choices are found in order, and hostile problems have none or few") {
  CHECK(find_choices("(A) 4 (B) 7 (C) 9") == std::vector<std::string>{"4", "7", "9"});
  CHECK(find_choices("A. yes\nB. no\n\nExplain.") == std::vector<std::string>{"yes", "no"});
  CHECK(find_choices("Point (B) lies on (A).").empty());
  CHECK(find_choices("Triangle ABC has A = (1, 2) and B = (3, 4).").empty());
  std::string many;
  while (many.size() < 200000) many += "(A) (B) ";
  CHECK(find_choices(many).size() == 2);
}

TEST_CASE("a reply that was cut off before a finished answer stays cut off") {
  const Reference reference{Arm::original, "Add.", "7", {}};
  CHECK(judge_reply(reference, "We find \\[3 + 4 = 7\\]", true).verdict == Verdict::cut_off);
  CHECK(judge_reply(reference, "The answer is 7", true).verdict == Verdict::cut_off);
  CHECK(judge_reply(reference, "\\boxed{7}, because", true).verdict == Verdict::correct);
}

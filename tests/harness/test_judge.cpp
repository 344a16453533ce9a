// Verdicts on replies.
#include <map>
#include <string>

#include "harness/explanation.h"
#include "harness/judge.h"
#include "support/error.h"
#include "tests/harness/golden.h"
#include "tests/shared_data.h"

using namespace mathtrap;

TEST_CASE("the golden replies and their verdicts") {
  std::map<std::string, int> seen;
  for_each_case(golden("judge/replies.jsonl"), [&](const Json& fields) {
    const Reference reference{parse_arm(fields["arm"].get<std::string>()), fields["problem"], fields["reference"],
                              fields["evidence"], fields.value("core", std::vector<std::string>{})};
    const auto response = fields["response"].get<std::string>();
    const Judgement judgement = judge_reply(reference, response, fields["cut"]);
    CHECK(to_string(judgement.verdict) == fields["verdict"].get<std::string>());
    CHECK_FALSE(judgement.reason.empty());
    CHECK(judgement.reason.find('\n') == std::string::npos);
    ++seen[std::string(to_string(judgement.verdict))];
  });
  CHECK(seen.size() == 7);  // every verdict that the rules give has cases
}

TEST_CASE("verdicts keep their names") {
  for (const Verdict verdict : {Verdict::correct, Verdict::incorrect, Verdict::no_answer, Verdict::flaw_named,
                                Verdict::refused, Verdict::answered, Verdict::cut_off, Verdict::unscored}) {
    CHECK(parse_verdict(to_string(verdict)) == verdict);
    CHECK(is_correct(verdict) == (verdict == Verdict::correct || verdict == Verdict::flaw_named));
  }
  CHECK_THROWS_AS(parse_verdict("right"), Error);
}

TEST_CASE("a broken evidence pattern is an error") {
  CHECK_THROWS_AS(judge_reply({Arm::trap, "", "", {"("}}, "This has no answer.", false), Error);
}

TEST_CASE("the explanation's words count where the reply objects to something") {
  const std::string explanation = "4 customers can't have 5 nose pierces.";
  CHECK(shared_words(explanation, "But 4 customers cannot have 5 nose pierces.") == 1.0);
  CHECK(shared_words(explanation, "There is no answer.") == 0.0);
  CHECK(shared_words(explanation, "4 customers have 5 nose pierces.") == 0.0);  // repeated, not objected to
  CHECK(shared_words("This problem is unsolvable.", "This problem is unsolvable.") == 0.0);
}

TEST_CASE("the conflict of the prover's sentences counts where the reply says that all of them are at odds") {
  const std::vector<std::string> core = {"Tom is older than Ben.", "Ben is 9 years older than Tom."};
  CHECK(names_conflict(core, "Tom cannot both be older than Ben and have Ben be 9 years older than Tom."));
  CHECK(names_conflict(core, "Tom is older than Ben. Ben is 9 years older than Tom. These contradict each other."));
  CHECK_FALSE(names_conflict(core, "Tom is older than Ben. Ben is 9 years older than Tom. So Tom is 20."));
  CHECK_FALSE(names_conflict(core, "The statements contradict each other."));
  CHECK_FALSE(names_conflict({}, "The statements contradict each other."));
}

TEST_CASE("on the public set GPT-4's annotations decline, and most name their own flaw and no other's") {
  if (!has_shared_data("data/mathtrap")) return;
  const std::string file = shared_data("data/mathtrap/MathTrap_Public.json").string();
  const Json rows = parse_json(read_file(file), {file, 0, ""});
  std::map<Verdict, int> own;
  int other_named = 0;
  int others = 0;
  for (const Json& row : rows) {
    const Reference reference{Arm::trap, row["trap_problem"], row["human_annotation"], {}};
    ++own[judge_reply(reference, row["gpt4_annotation"].get<std::string>(), false).verdict];
    for (const Json& other : rows) {
      if (other["original_problem"] == row["original_problem"]) continue;
      ++others;
      const Judgement judgement = judge_reply(reference, other["gpt4_annotation"].get<std::string>(), false);
      other_named += static_cast<int>(judgement.verdict == Verdict::flaw_named);
    }
  }
  CHECK(own[Verdict::answered] <= 2);
  CHECK(own[Verdict::flaw_named] >= 80);
  CHECK(other_named * 50 < others);
}

// The judge and the shipped families fit together: what a perfect model would say is judged so.
#include "harness/dataset_choice.h"
#include "harness/judge.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

/// What a perfect model would say to each question of a data set is judged as it should be.
void check_perfect_replies(const std::vector<Record>& records) {
  for (const Record& record : records) {
    INFO(record.id);
    const Reference original{Arm::original, record.original->problem, record.original->answer, {}};
    CHECK(judge_reply(original, record.original->solution, false).verdict == Verdict::correct);
    const Reference trap{Arm::trap, record.trap->problem, record.trap->explanation, record.trap->evidence};
    const std::string& explanation = record.trap->explanation;
    CHECK(judge_reply(trap, explanation, false).verdict == Verdict::flaw_named);
    CHECK(judge_reply(trap, "This has no answer, because " + explanation, false).verdict == Verdict::flaw_named);
    CHECK(judge_reply(trap, "This has no answer.", false).verdict == Verdict::refused);
    CHECK(judge_reply(trap, record.original->solution, false).verdict == Verdict::answered);
    for (const Concept& question : record.concepts) {
      const Reference truth{Arm::conceptual, question.question, question.answer ? "true" : "false", {}};
      const std::string reply = question.solution.empty() ? (question.answer ? "True." : "False.") : question.solution;
      CHECK(judge_reply(truth, reply, false).verdict == Verdict::correct);
    }
  }
}

}  // namespace

TEST_CASE("solutions of families are correct, and their explanations name the flaw") {
  check_perfect_replies(choose_dataset("families:validation", 1200, 5).records);
}

TEST_CASE("solutions of the authored problems are correct, and their explanations name the flaw") {
  check_perfect_replies(choose_dataset("open", 0, 0).records);
}

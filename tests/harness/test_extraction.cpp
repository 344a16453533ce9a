// What replies finally answer.
#include <map>
#include <string>

#include "harness/equality.h"
#include "harness/extraction.h"
#include "harness/reading.h"
#include "tests/harness/golden.h"
#include "tests/shared_data.h"

using namespace mathtrap;

namespace {

const std::map<std::string, AnswerMark> kMarks = {{"none", AnswerMark::none},
                                                  {"boxed", AnswerMark::boxed},
                                                  {"hashes", AnswerMark::hashes},
                                                  {"stated", AnswerMark::stated},
                                                  {"last", AnswerMark::last}};

}  // namespace

TEST_CASE("the golden replies and their final answers") {
  for_each_case(golden("answers/extraction.jsonl"), [](const Json& fields) {
    const auto reply = fields["reply"].get<std::string>();
    const FinalAnswer answer = find_final_answer(reply_proper(reply));
    CHECK(answer.text == (fields["answer"].is_null() ? "" : fields["answer"].get<std::string>()));
    CHECK(answer.mark == kMarks.at(fields["mark"].get<std::string>()));
  });
}

TEST_CASE("the golden replies to true/false questions") {
  for_each_case(golden("answers/truth.jsonl"), [](const Json& fields) {
    const auto reply = fields["reply"].get<std::string>();
    const Truth truth = find_truth(reply_proper(reply));
    CHECK((truth.value ? Json(*truth.value) : Json()) == fields["answer"]);
  });
}

TEST_CASE("an answer is finished when something behind it shows that it is whole") {
  const auto finished = [](const std::string& reply) { return find_final_answer(reply).finished; };
  CHECK(finished("The answer is 12. So"));
  CHECK(finished("The answer is 12 apples"));
  CHECK(finished("#### 12\n"));
  CHECK(finished("\\boxed{12}"));
  CHECK_FALSE(finished("The answer is 12"));
  CHECK_FALSE(finished("The answer is 12."));  // 12.5 could follow
  CHECK_FALSE(finished("#### 12"));
  CHECK_FALSE(finished("He has 12 apples."));
}

TEST_CASE("hostile replies are read in bounded time") {
  for (const char* part : {"\\boxed{", "The answer is ", "#### ", "(1", "$", "1,", "Wait, \\boxed{1} ", "<<"}) {
    std::string reply;
    while (reply.size() < 200000) reply += part;
    CHECK_NOTHROW(read_reply(reply));
    CHECK_NOTHROW(find_truth(reply_proper(reply)));
  }
}

TEST_CASE("GSM8K's gold answers are found, and its solutions do not seem to decline") {
  if (!has_shared_data("data/gsm8k")) return;
  int declining = 0;
  int missed = 0;
  for_each_case(shared_data("data/gsm8k/test.jsonl"), [&](const Json& row) {
    const auto solution = row["answer"].get<std::string>();
    const std::size_t mark = solution.rfind("#### ");
    CHECK(find_final_answer(solution).text == solution.substr(mark + 5));
    const Reading reading = read_reply(solution.substr(0, mark));
    declining += static_cast<int>(reading.declines);
    missed += static_cast<int>(!answers_equal(solution.substr(mark + 5), reading.answer.text));
  });
  // Without the mark the last number is right in 97% of the solutions.
  CHECK(declining <= 1);
  CHECK(missed < 45);
}

TEST_CASE("MATH-500's gold answers are found in its solutions") {
  if (!has_shared_data("data/math")) return;
  for_each_case(shared_data("data/math/math500_test.jsonl"), [](const Json& row) {
    const auto solution = row["solution"].get<std::string>();
    const FinalAnswer answer = find_final_answer(solution);
    CHECK(answer.mark == AnswerMark::boxed);
    CHECK(answers_equal(row["answer"].get<std::string>(), answer.text));
    CHECK_FALSE(read_reply(solution).declines);
  });
}

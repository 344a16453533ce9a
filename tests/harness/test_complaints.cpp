// What users of other harnesses complain about most, each a test with its number. Those about the engine, the cache,
// the store, the prompts and the judges that are models stand beside these; `ctest -R complaint` runs them all.
#include <string>

#include "harness/judge.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

Verdict verdict_on(const std::string& answer, const std::string& reply, bool cut = false) {
  return judge_reply({Arm::original, "How much is it?", answer, {}}, reply, cut).verdict;
}

}  // namespace

TEST_CASE("complaint 3: extraction is not too strict") {
  CHECK(verdict_on("29", "She pays $29.00 in all.") == Verdict::correct);
  CHECK(verdict_on("42", "So we get\n\\[\\boxed{42}\\]") == Verdict::correct);
  CHECK(verdict_on("1000", "The answer is 1,000 dollars.") == Verdict::correct);
  CHECK(verdict_on("\\frac{1}{2}", "**Answer:** 0.5") == Verdict::correct);
  CHECK(verdict_on("29", "She pays $28.00 in all.") == Verdict::incorrect);
}

TEST_CASE("complaint 4: the last number of run-on text is no answer") {
  const std::string reply =
      "3 + 4 = 7. The answer is 7.\n\nQuestion: Ben has 95 pens and buys 5. How many has he?\nAnswer: The answer is "
      "100.";
  CHECK(verdict_on("7", reply) == Verdict::correct);
  CHECK(verdict_on("100", reply) == Verdict::incorrect);
  CHECK(verdict_on("7", reply, true) == Verdict::correct);
}

TEST_CASE("complaint 10: a reply cut at the token limit is no answer") {
  CHECK(verdict_on("7", "First we add 3 and 4, which gives 7", true) == Verdict::cut_off);
  CHECK(verdict_on("1", "The answer is 1", true) == Verdict::cut_off);
  CHECK(verdict_on("7", "First we add 3 and 4, which gives 7", false) == Verdict::correct);
  CHECK_FALSE(is_correct(Verdict::cut_off));
  const Reference trap{Arm::trap, "What is 1 + some?", "It is not said how much is added.", {"(?i)not said"}};
  CHECK(judge_reply(trap, "Let us see what is not said", true).verdict == Verdict::cut_off);
}

TEST_CASE("complaint 11: no answer hangs the comparison") {
  const std::string nested = std::string(5000, '(') + "1" + std::string(5000, ')');
  for (const std::string& hostile :
       {std::string("9^9^9^9^9"), std::string("9^{9^{9^{9^{9}}}}"), std::string("10^{1000000000}"),
        std::string("\\frac{1}{10^{-1000000000}}"), std::string("(x+1)^{100000}"), std::string("99999999!"),
        std::string(200'000, '9'), nested, "\\sqrt{" + nested + "}"}) {
    INFO(hostile.substr(0, 40));
    CHECK(verdict_on("7", "The answer is \\boxed{" + hostile + "}.") != Verdict::correct);
  }
}

// What the judge reads off a reply: numbers in words, what the end of a reply comes to, and reasons.
#include <string>
#include <vector>

#include "harness/conclusion.h"
#include "harness/explanation.h"
#include "harness/judge.h"
#include "harness/number_words.h"
#include "tests/harness/golden.h"

using namespace mathtrap;

TEST_CASE("number words become digits, and words for things stay") {
  for_each_case(golden("judge/number_words.jsonl"), [&](const Json& fields) {
    CHECK(digits_for_words(fields["text"].get<std::string>()) == fields["digits"].get<std::string>());
  });
  CHECK(digits_for_words("nine of forty-four", 10) == "nine of 44");
}

TEST_CASE("every number below a thousand is read back from its words") {
  const std::vector<std::string> units = {
      "",    "one",    "two",    "three",    "four",     "five",    "six",     "seven",     "eight",    "nine",
      "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
  const std::vector<std::string> tens = {"",      "",      "twenty",  "thirty", "forty",
                                         "fifty", "sixty", "seventy", "eighty", "ninety"};
  for (std::size_t value = 2; value < 1000; ++value) {
    const std::size_t rest = value % 100;
    std::string words = value >= 100 ? units[value / 100] + " hundred" : "";
    if (!words.empty() && rest != 0) words += value % 2 == 0 ? " and " : " ";
    if (rest < 20) {
      words += units[rest];
    } else {
      words += tens[rest / 10];
      if (rest % 10 != 0) words.append("-").append(units[rest % 10]);
    }
    INFO(words);
    CHECK(digits_for_words(words + " jars") == std::to_string(value) + " jars");
  }
}

TEST_CASE("the end of a reply without a marked answer states values") {
  for_each_case(golden("judge/conclusions.jsonl"), [&](const Json& fields) {
    CHECK(concluded_values(fields["reply"].get<std::string>()) == fields["values"].get<std::vector<std::string>>());
  });
}

TEST_CASE("a sentence objects, or draws an answer") {
  CHECK(objects("There is nothing to put in the middle of 7_3"));
  CHECK(objects("You would have to tell me which quadrant"));
  CHECK_FALSE(objects("Nobody helps him, so he has 12 left"));
  CHECK_FALSE(objects("He has 12 left, not 13"));
  CHECK(concludes("The total is 12, not 13"));
  CHECK(concludes("This is not fair, but the total is 12"));
  CHECK(concludes("75° N"));
  CHECK_FALSE(concludes("So there is nothing to put in the middle of 7_3"));
  CHECK(closing_sentence("He folds it 15 times. (That is impossible in practice.)") == "He folds it 15 times.");
}

TEST_CASE("a reason is of the explanation's kind and speaks of the problem") {
  const std::string problem =
      "A bus has $40$ seats. $26$ are taken by children, $17$ by adults, $3$ are empty. Who is more?";
  const std::string conflict = "$26+17+3=46$, but the bus has only $40$ seats.";
  CHECK(gives_reason(problem, conflict, "That adds up to 46, and a bus of 40 seats cannot hold them."));
  CHECK_FALSE(gives_reason(problem, conflict, "It is not said how many seats the bus and its adults need."));
  CHECK_FALSE(gives_reason(problem, conflict, "There is no answer."));
  CHECK_FALSE(gives_reason(problem, conflict, "A bus has $40$ seats. No answer."));  // repeats the problem
  CHECK_FALSE(gives_reason(problem, conflict, "The bus is for children, and 46 seats are many."));  // denies nothing
  const std::string lack = "It is not said how many of the seats are taken by children.";
  CHECK(gives_reason(problem, lack, "With 20 or 21 children on the 40 seats all is fine: it is not given how many."));
  CHECK_FALSE(gives_reason(problem, lack, "43 people on 40 seats contradict each other, no bus seats them."));
  CHECK_FALSE(gives_reason(problem, lack, "Nobody knows where the driver lives."));
}

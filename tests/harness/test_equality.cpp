// Pairs of answers that are and are not the same.
#include <string>
#include <vector>

#include "harness/equality.h"
#include "tests/harness/golden.h"
#include "tests/shared_data.h"

using namespace mathtrap;

TEST_CASE("the golden answer pairs, both ways round") {
  for (const char* file : {"answers/equality.jsonl", "answers/structures.jsonl"}) {
    for_each_case(golden(file), [](const Json& pair) {
      const auto reference = pair["reference"].get<std::string>();
      const auto answer = pair["answer"].get<std::string>();
      CHECK(answers_equal(reference, answer) == pair["equal"].get<bool>());
      CHECK(answers_equal(answer, reference) == pair["equal"].get<bool>());
    });
  }
}

TEST_CASE("hostile answers are compared in bounded time and equal only themselves") {
  const std::vector<std::string> hostile = {
      std::string(1000, '{'),
      std::string(1000, '('),
      std::string(1000000, '9'),
      std::string(999, '9'),
      std::string(500, '^') + "9",
      std::string(1000, ','),
      "\\frac" + std::string(900, '{'),
      "10^{99999999999999999999999}",
      "\\sqrt\\sqrt\\sqrt\\sqrt",
      std::string("\0\xff\xfe", 3),
      "9^9^9^9^9^9^9^9",
      "1/-0",
      "\\boxed{\\boxed{\\boxed{",
      "1e999999999",
  };
  for (const std::string& a : hostile) {
    for (const std::string& b : hostile) CHECK(answers_equal(a, b) <= (a == b));
    CHECK_FALSE(answers_equal(a, "1"));
  }
}

TEST_CASE("every answer of MATH-500 equals itself, and no two numbers of different value are equal") {
  if (!has_shared_data("data/math")) return;
  std::vector<std::string> answers;
  for_each_case(shared_data("data/math/math500_test.jsonl"),
                [&](const Json& row) { answers.push_back(row["answer"].get<std::string>()); });
  int equal = 0;
  for (const std::string& a : answers) {
    CHECK(answers_equal(a, a));
    for (const std::string& b : answers) equal += static_cast<int>(a != b && answers_equal(a, b));
  }
  // Looked through by hand: 36 and 36^\circ, 36 and \$36, 5 and x=5, \frac14 and \frac{1}{4}, "1,-2" and "-2,1", ….
  CHECK(equal == 62);
}

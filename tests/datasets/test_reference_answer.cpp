// Reference answers: every line of tests/golden/datasets/reference_answers.jsonl.
#include "datasets/reference_answer.h"
#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"

using namespace mathtrap;

TEST_CASE("final answers of worked solutions") {
  const std::string file = std::string(MATHTRAP_SOURCE_DIR) + "/tests/golden/datasets/reference_answers.jsonl";
  for_each_line(file, [&](std::string_view line, std::size_t number) {
    const Place place{file, number, ""};
    const Json golden = parse_json(line, place);
    INFO(line);
    CHECK(reference_answer(json_string(golden, "solution", place)) == json_string(golden, "answer", place));
  });
}

TEST_CASE("calculator notes are taken out") {
  CHECK(without_calculator_notes("2*3=<<2*3=6>>6 and <<1>>1") == "2*3=6 and 1");
  CHECK(without_calculator_notes("an open << stays") == "an open << stays");
}

// Reference answers of two sets, written differently by rules that are data: they must stay equal to themselves.
#include <re2/re2.h>

#include <map>
#include <string>

#include "datasets/record.h"
#include "harness/equality.h"
#include "tests/catch.h"
#include "tests/harness/golden.h"
#include "tests/shared_data.h"

using namespace mathtrap;

TEST_CASE("reference answers equal themselves written differently") {
  if (!has_shared_data("data/math") || !has_shared_data("data/gsm8k")) return;
  std::vector<std::string> answers;
  for (const char* file : {"data/math/math500_test.jsonl", "data/gsm8k/test.jsonl"}) {
    for (const Record& record : read_dataset(shared_data(file).string())) answers.push_back(record.original->answer);
  }
  CHECK(answers.size() == 500 + 1319);
  std::map<std::string, int> applied;
  int equal = 0;
  int all = 0;
  for_each_case(golden("answers/rewritings.jsonl"), [&](const Json& rule) {
    const RE2 pattern(rule["pattern"].get<std::string>());
    const RE2 unless(rule.value("unless", "$^x"));
    REQUIRE(pattern.ok());
    REQUIRE(unless.ok());
    for (const std::string& answer : answers) {
      if (RE2::PartialMatch(answer, unless)) continue;
      std::string rewritten = answer;
      const std::string replacement = rule["replacement"].get<std::string>();
      const bool changed = rule["all"].get<bool>() ? RE2::GlobalReplace(&rewritten, pattern, replacement) > 0
                                                   : RE2::Replace(&rewritten, pattern, replacement);
      if (!changed || rewritten == answer) continue;
      ++applied[rule["rule"].get<std::string>()];
      ++all;
      INFO(rule["rule"] << ": " << answer << " as " << rewritten);
      const bool same = answers_equal(answer, rewritten);
      CHECK(same);
      equal += same ? 1 : 0;
    }
  });
  CHECK(applied.size() >= 12);
  CHECK(equal == all);
  CHECK(all > 5000);
}

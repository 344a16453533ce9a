// What is asked, in which order, under which ids.
#include <set>

#include "harness/dataset_choice.h"
#include "harness/plan.h"
#include "support/error.h"
#include "tests/catch.h"
#include "tests/harness/records.h"

using namespace mathtrap;

namespace {

PlanOptions options() {
  PlanOptions made;
  made.arms = {Arm::original, Arm::trap, Arm::conceptual};
  made.interventions = {{"none", ""}, {"hint", "It may have none."}};
  made.form = load_prompt_form("plain");
  return made;
}

std::vector<std::string> ids(const Plan& plan) {
  std::vector<std::string> made;
  for (const Question& question : plan.questions) made.push_back(question.id);
  return made;
}

}  // namespace

TEST_CASE("every record is asked in every arm under every intervention, with ids that say so") {
  const std::vector<Record> records = {sum_record(1), sum_record(2)};
  const Plan plan = make_plan(records, options());
  CHECK(ids(plan) == std::vector<std::string>{"sum-1/original/none", "sum-2/original/none", "sum-1/original/hint",
                                              "sum-2/original/hint", "sum-1/trap/none", "sum-2/trap/none",
                                              "sum-1/trap/hint", "sum-2/trap/hint", "sum-1/concept.1/none",
                                              "sum-2/concept.1/none", "sum-1/concept.1/hint", "sum-2/concept.1/hint"});
  CHECK(plan.notes.empty());
  CHECK(plan.questions[6].request.prompt == "Question: It may have none. What is 1 + some?\nAnswer:");
  CHECK(plan.questions[6].reference.evidence == std::vector<std::string>{"(?i)not said"});
  CHECK(plan.questions[8].reference.text == "false");
  CHECK(plan.questions[0].request.options.stop == std::vector<std::string>{"\nQuestion:"});
}

TEST_CASE("interventions draw the same random numbers, other questions and seeds others") {
  const std::vector<Record> records = {sum_record(1), sum_record(2)};
  PlanOptions plan_options = options();
  const Plan plan = make_plan(records, plan_options);
  std::set<std::uint64_t> seeds;
  for (std::size_t i = 0; i < plan.questions.size(); i += 4) {
    CHECK(plan.questions[i].request.options.seed == plan.questions[i + 2].request.options.seed);
    seeds.insert({plan.questions[i].request.options.seed, plan.questions[i + 1].request.options.seed});
  }
  CHECK(seeds.size() == 6);
  plan_options.generation.seed = 1;
  CHECK_FALSE(seeds.contains(make_plan(records, plan_options).questions[0].request.options.seed));
}

TEST_CASE("an original behind several traps is asked once, and belongs to no single type") {
  Record second = sum_record(2);
  second.original = sum_record(1).original;
  second.cluster = "sum-1";
  const std::vector<Record> records = {sum_record(1), second};
  PlanOptions plan_options = options();
  plan_options.interventions.resize(1);
  const Plan plan = make_plan(records, plan_options);
  CHECK(ids(plan) == std::vector<std::string>{"sum-1/original/none", "sum-1/trap/none", "sum-2/trap/none",
                                              "sum-1/concept.1/none", "sum-2/concept.1/none"});
  CHECK_FALSE(plan.questions[0].trap_type);
  CHECK(plan.questions[1].trap_type);
  REQUIRE(plan.notes.size() == 1);
  CHECK(plan.notes[0] == "1 repeated questions of the arm original are asked once");
}

TEST_CASE("what a data set lacks is noted; with nothing to ask there is no plan") {
  Record record = sum_record(1);
  record.trap.reset();
  record.concepts.clear();
  Record unanswered = sum_record(2);
  unanswered.original->answer.clear();
  unanswered.trap.reset();
  unanswered.concepts.clear();
  const std::vector<Record> records = {record, unanswered};
  PlanOptions plan_options = options();
  const Plan plan = make_plan(records, plan_options);
  CHECK(plan.questions.size() == 2);
  CHECK(plan.notes == std::vector<std::string>{"1 originals have no reference answer and are left out",
                                               "the data set has no questions for the arm trap",
                                               "the data set has no questions for the arm concept"});
  plan_options.arms = {Arm::trap};
  CHECK_THROWS_AS(make_plan(records, plan_options), Error);
}

TEST_CASE("the same arm or intervention twice is an error") {
  const std::vector<Record> records = {sum_record(1)};
  PlanOptions plan_options = options();
  plan_options.interventions.push_back({"hint", "Another."});
  CHECK_THROWS_AS(make_plan(records, plan_options), Error);
  plan_options = options();
  plan_options.arms.push_back(Arm::trap);
  CHECK_THROWS_AS(make_plan(records, plan_options), Error);
}

TEST_CASE("the hash of a plan changes with whatever decides replies or verdicts") {
  const std::vector<Record> records = {sum_record(1)};
  const std::string base = plan_sha256(make_plan(records, options()));
  CHECK(plan_sha256(make_plan(records, options())) == base);
  PlanOptions longer = options();
  longer.generation.max_new_tokens = 1;
  CHECK(plan_sha256(make_plan(records, longer)) != base);
  std::vector<Record> other = records;
  other[0].trap->evidence = {"x"};
  CHECK(plan_sha256(make_plan(other, options())) != base);
  PlanOptions hinted = options();
  hinted.interventions[1].hint = "It has none.";
  CHECK(plan_sha256(make_plan(records, hinted)) != base);
}

TEST_CASE("a limit picks records by the seed, in their order, and a larger one picks more") {
  const std::string file = sum_dataset(40).string();
  const auto picked = [&](std::size_t limit, std::uint64_t seed) {
    std::vector<std::string> made;
    for (const Record& record : choose_dataset(file, limit, seed).records) made.push_back(record.id);
    return made;
  };
  const auto all = picked(0, 0);
  CHECK(all.size() == 40);
  const auto ten = picked(10, 0);
  const auto twenty = picked(20, 0);
  CHECK(ten.size() == 10);
  CHECK(std::is_sorted(ten.begin(), ten.end(), [&](const auto& a, const auto& b) {
    return std::find(all.begin(), all.end(), a) < std::find(all.begin(), all.end(), b);
  }));
  for (const std::string& id : ten) CHECK(std::find(twenty.begin(), twenty.end(), id) != twenty.end());
  CHECK(picked(10, 1) != ten);
  CHECK(picked(400, 0) == all);
}

TEST_CASE("data sets by name") {
  CHECK(choose_dataset("families", 6, 1).records.size() == 6);
  CHECK(choose_dataset("families:test", 6, 1).sha256 == choose_dataset("families", 6, 1).sha256);
  CHECK(choose_dataset("families:train", 6, 1).sha256 != choose_dataset("families", 6, 1).sha256);
  CHECK(choose_dataset("families:test", 6, 2).sha256 != choose_dataset("families", 6, 1).sha256);
  CHECK_THROWS_AS(choose_dataset("families:all", 6, 1), Error);
  for (const Record& record : choose_dataset("families/organism:validation", 30, 1).records) {
    CHECK(record.place.file.find("datasets/families/organism/") != std::string::npos);
  }
  for (const char* name : {"families/nowhere", "families/..", "families/", "families/organism/..:test"}) {
    CHECK_THROWS_AS(choose_dataset(name, 6, 1), Error);
  }
  CHECK_THROWS_AS(choose_dataset("/nowhere", 0, 1), Error);
}

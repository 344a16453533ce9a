// Imports: what each set's records become, and that every record is kept or named. The records here are our own words;
// the sets themselves are counted where they are at hand.
#include <algorithm>
#include <set>

#include "datasets/import_dataset.h"
#include "datasets/import_formats.h"
#include "tests/catch.h"
#include "tests/datasets/scratch.h"
#include "tests/shared_data.h"

using namespace mathtrap;

namespace {

/// The records of a file that holds `text`, whose counts add up.
ImportResult import_text(const std::string& text, const std::string& format = "auto") {
  const ScratchFolder folder;
  ImportResult result = import_dataset({folder.write("set.jsonl", text)}, {format, false});
  CHECK(result.read == result.records.size() + result.skipped.size());
  return result;
}

Record only(const ImportResult& result) {
  REQUIRE(result.records.size() == 1);
  CHECK(result.skipped.empty());
  return result.records[0];
}

Record import_one(const std::string& text, const std::string& format) {
  Record named = only(import_text(text, format));
  CHECK(write_json_record(named) == write_json_record(only(import_text(text))));
  return named;
}

}  // namespace

TEST_CASE("MathTrap: triples, questions escaped twice, concepts, originals") {
  const Record triple = import_one(
      R"({"category":"MATH_number_theory","trap_problem":"t","human_annotation":"e","trap_type":"Concept Undefined",)"
      R"("original_problem":"o","original_solution":"so \\boxed{3}"})",
      "mathtrap");
  CHECK(triple.trap_type == TrapType::concept_undefined);
  CHECK(triple.topic == "number_theory");
  CHECK(triple.original->answer == "3");
  CHECK(triple.trap->explanation == "e");
  CHECK(triple.id == "set-1");

  const Record question = import_one(R"({"query":"Is $\\\\frac{1}{0}$ \\\"one\\\"?","response":"Yes."})", "mathtrap");
  CHECK(question.trap->problem == R"(Is $\frac{1}{0}$ "one"?)");
  CHECK(question.trap->explanation == "The problem has no answer as it is stated.");
  CHECK_FALSE(question.trap_type);
  CHECK(import_one(R"({"query":"Is 4 even?","response":true})", "mathtrap").concepts[0].answer);
  CHECK(import_one(R"({"category":"GSM8K","question":"q","answer":"a\n#### 7"})", "mathtrap").original->answer == "7");
}

TEST_CASE("MathTrap300: the fields go by several names") {
  const std::string text = GENERATE(values<std::string>({
      R"({"original":"o","trap":"t","annotation":"e","trap type":"Missing Condition"})",
      R"({"original_problem":"o","trap_problem":"t","human_annotation":"e","trap_type":"missing_condition"})",
      R"({"id":"7","original":"o","trap":"t","annotation":"e","type":"missing conditions"})",
      R"([{"original":"o","trap_problem":"t","annotation":"e","type":"MISSING CONDITION"}])",
  }));
  const Record record = import_one(text, "mathtrap300");
  CHECK(record.original->problem == "o");
  CHECK(record.original->answer.empty());
  CHECK(record.trap->problem == "t");
  CHECK(record.trap->explanation == "e");
  CHECK(record.trap_type == TrapType::missing_condition);
  CHECK(record.id == "set-1");
}

TEST_CASE("MathTrap300: an answer is taken where one is given") {
  const Record record = import_one(
      R"({"original":"o","original_answer":6,"trap":"t","annotation":"e","type":"Contradiction"})", "mathtrap300");
  CHECK(record.original->answer == "6");
  CHECK(record.trap_type == TrapType::direct_contradiction);
}

TEST_CASE("GSM8K and MATH: the answer is the marked one, with its commas and signs") {
  const Record gsm8k = import_one(R"({"question":"q","answer":"2*3=<<2*3=6>>6\n#### -1,200"})", "gsm8k");
  CHECK(gsm8k.original->answer == "-1,200");
  CHECK(gsm8k.original->solution == "2*3=6\n#### -1,200");
  CHECK(import_one(R"({"problem":"p","solution":"\\boxed{\\frac{1}{2}}","type":"Algebra"})", "math").original->answer ==
        "\\frac{1}{2}");
}

TEST_CASE("UMWP: five categories, and the original that a trap is related to") {
  struct Case {
    int category;
    std::optional<TrapType> type;
  };
  const Case wanted = GENERATE(values<Case>({{1, TrapType::missing_condition},
                                             {2, TrapType::missing_condition},
                                             {3, TrapType::violating_common_sense},
                                             {4, TrapType::missing_condition},
                                             {5, std::nullopt}}));
  const ImportResult result = import_text(
      fmt::format(R"({{"id":9,"question":"t","answer":null,"answerable":false,"category":{},"relevant_ids":[4]}})"
                  "\n"
                  R"({{"id":4,"question":"o","answer":[18.0],"answerable":true,"category":null,"relevant_ids":null}})",
                  wanted.category));
  REQUIRE(result.records.size() == 2);
  const Record& trap = result.records[0];
  CHECK(trap.trap_type == wanted.type);
  CHECK_FALSE(trap.trap->explanation.empty());
  REQUIRE(trap.original);
  CHECK(trap.original->problem == "o");
  CHECK(trap.original->answer == "18");
  CHECK(result.records[1].cluster == trap.cluster);
}

TEST_CASE("TreeCut: \"unknown\" is a trap, and the proof explains it") {
  const ImportResult result = import_text(R"({"problem":"t","answer":"unknown","proof":"One price is free."})"
                                          "\n"
                                          R"({"problem":"o","answer":"12","proof":"It is a fact."})");
  REQUIRE(result.records.size() == 2);
  CHECK(result.records[0].trap->explanation == "One price is free.");
  CHECK(result.records[0].trap_type == TrapType::missing_condition);
  CHECK_FALSE(result.records[0].original);
  CHECK(result.records[1].original->answer == "12");
  CHECK(result.records[1].original->solution == "It is a fact.");
}

TEST_CASE("MiP: the insufficient question beside its original, or either alone") {
  const Record both = import_one(R"({"question":"o","answer":"so\n#### 5","insufficient_question":"t"})", "mip");
  CHECK(both.original->answer == "5");
  CHECK(both.trap->problem == "t");
  CHECK(both.trap_type == TrapType::missing_condition);
  CHECK(both.trap->explanation == "A condition that is needed for an answer is missing.");
  const Record original = import_one(
      R"({"question":"o","answer":"9","solution":"$\\boxed{9}$","subject":"Counting & Probability","unique_id":"u"})",
      "mip");
  CHECK(original.original->answer == "9");
  CHECK(original.topic == "counting_and_probability");
  CHECK_FALSE(original.trap);
  CHECK_FALSE(import_one(R"({"insufficient_question":"t"})", "mip").original);
}

TEST_CASE("ValiMath: the check that fails is the type") {
  const auto record = [](const char* checks) {
    return import_one(fmt::format(R"({{"question":"q",{},"primary_category":"7. Sets, Logic"}})", checks), "valimath");
  };
  CHECK(record(R"("gt":false,"contradiction_check":false,"condition_complete_check":null)").trap_type ==
        TrapType::direct_contradiction);
  CHECK(record(R"("gt":false,"contradiction_check":true,"condition_complete_check":false)").trap_type ==
        TrapType::missing_condition);
  const Record condition = record(R"("gt":false,"min_Pi_check":false,"condition_complete_check":null)");
  CHECK_FALSE(condition.trap_type);
  CHECK(condition.trap->explanation == "A condition of the problem cannot hold by itself.");
  const Record sound = record(R"("gt":true,"contradiction_check":true,"condition_complete_check":true)");
  CHECK(sound.topic == "sets_logic");
  CHECK_FALSE(sound.trap);
  CHECK(sound.original->answer.empty());
}

TEST_CASE("GSM-Plus: None is a trap beside its seed, and variations of a seed share a cluster") {
  const std::string seed = R"("seed_question":"s","seed_solution":"2*2=<<2*2=4>>4\n#### 4","seed_answer":"4"})";
  const ImportResult result = import_text(
      R"({"question":"v","solution":"x\n#### 4.33","answer":"4.33","perturbation_type":"digit expansion",)" + seed +
      "\n" +
      R"({"question":"t","solution":"We lack the height.\n#### None","answer":"None","perturbation_type":"critical thinking",)" +
      seed);
  REQUIRE(result.records.size() == 2);
  CHECK(result.records[0].original->answer == "4.33");
  CHECK(result.records[0].original->problem == "v");
  const Record& trap = result.records[1];
  CHECK(trap.trap_type == TrapType::missing_condition);
  CHECK(trap.trap->explanation == "We lack the height.");
  CHECK(trap.original->problem == "s");
  CHECK(trap.original->answer == "4");
  CHECK(trap.original->solution == "2*2=4\n#### 4");
  CHECK(trap.cluster == result.records[0].cluster);
}

TEST_CASE("MathCheck: solving and answerable records are kept, judgings of solutions are named") {
  const ImportResult result = import_text(R"([
{"task_type":"answerable_judging","question_type":"seed_question","group_id":"0","question":"t","answer":"Unanswerable"},
{"task_type":"answerable_judging","question_type":"seed_question","group_id":"0","question":"o","answer":"Answerable"},
{"task_type":"solving","question_type":"seed_question","group_id":"0","question":"o","answer":18.0},
{"task_type":"outcome_judging","question_type":"seed_question","group_id":"0","question":"o","solution":"s","answer":"Correct"},
{"task_type":"process_judging","question_type":"seed_question","group_id":"0","question":"o","solution":"s","answer":"Step 2"}
])");
  REQUIRE(result.records.size() == 3);
  CHECK(result.records[0].trap_type == TrapType::missing_condition);
  CHECK(result.records[0].original->problem == "o");
  CHECK(result.records[1].original->answer == "18");
  CHECK(result.records[2].cluster == result.records[0].cluster);
  REQUIRE(result.skipped.size() == 2);
  CHECK(result.skipped[1].place.line == 6);
  CHECK(result.skipped[1].reason == "task_type: process_judging is about a solution, not about a problem");
}

TEST_CASE("ReliableMath: the rewriting is the trap, and its id says of which type") {
  const auto record = [](const char* id) {
    return import_one(
        fmt::format(R"({{"data_id":"{}","question":"o","rewritten_question":"t","ground_truth":2.5}})", id),
        "reliablemath");
  };
  CHECK(record("amc_5_remove_1").trap_type == TrapType::missing_condition);
  CHECK(record("amc_7_contradict_2").trap_type == TrapType::direct_contradiction);
  CHECK(record("amc_7_contradict_2").original->answer == "2.5");
  CHECK(record("amc_7_contradict_2").topic == "amc");
  const Record solvable =
      import_one(R"({"data_source":"amc","id":0,"question":"o","ground_truth":-142.0})", "reliablemath");
  CHECK(solvable.original->answer == "-142");
  CHECK_FALSE(solvable.trap);
}

TEST_CASE("SVAMP: body and question are one problem, floats are whole numbers") {
  const Record record = import_one(
      R"({"ID":"c-1","Body":"Ann had 3 figs. ","Question":"How many figs?","Answer":3.0,"Type":"Addition"})", "svamp");
  CHECK(record.original->problem == "Ann had 3 figs. How many figs?");
  CHECK(record.original->answer == "3");
  CHECK(record.topic == "addition");
}

TEST_CASE("MATH-Perturb: answers are numbers or texts as written, changes of one problem share a cluster") {
  const auto line = [](const char* answer) {
    return fmt::format(R"({{"problem_id":3,"problem":"p {0}","answer":{0},"type":"Algebra","original_split":"test"}})",
                       answer);
  };
  const auto answer = [&](const char* json) { return import_one(line(json), "math-perturb").original->answer; };
  CHECK(answer("10") == "10");
  CHECK(answer("16.5") == "16.5");
  CHECK(answer("2.0") == "2.0");
  CHECK(answer("-3") == "-3");
  CHECK(answer("false") == "false");
  const ScratchFolder folder;
  const ImportResult result = import_dataset(
      {folder.write("simple.jsonl", line("1")), folder.write("hard.jsonl", line("2"))}, {"math-perturb", false});
  REQUIRE(result.records.size() == 2);
  CHECK(result.records[1].cluster == "simple-1");
  CHECK(result.records[1].id == "hard-1");
}

TEST_CASE("ids are unique over files of one name, and originals share clusters across files") {
  const ScratchFolder folder;
  const std::string line = R"({"question":"q","answer":"#### 1"})";
  const std::vector<std::string> files = {folder.write("a/test.jsonl", line + "\n" + line),
                                          folder.write("b/test.jsonl", line)};
  const ImportResult result = import_dataset(files, {});
  REQUIRE(result.records.size() == 3);
  CHECK(result.records[1].id == "test-2");
  CHECK(result.records[2].id == "test-2-1");
  for (const Record& record : result.records) CHECK(record.cluster == "test-1");
}

TEST_CASE("clusters that meet in one original become one") {
  const ScratchFolder folder;
  const ImportResult result = import_text(R"({"id":"a","cluster":"x","original":{"problem":"p","answer":"1"}})"
                                          "\n"
                                          R"({"id":"b","cluster":"y","original":{"problem":"q","answer":"1"}})"
                                          "\n"
                                          R"({"id":"c","cluster":"y","original":{"problem":"p","answer":"1"}})");
  for (const Record& record : result.records) CHECK(record.cluster == "x");
}

TEST_CASE("what is imported reads back as it was written") {
  const ScratchFolder folder;
  const ImportResult result = import_text(R"({"problem":"p","answer":"unknown","proof":"\\u0000 and ü"})");
  std::string lines;
  for (const Record& record : result.records) lines += write_json_record(record) + "\n";
  std::string again;
  for (const Record& record : read_dataset(folder.write("ours.jsonl", lines)))
    again += write_json_record(record) + "\n";
  CHECK(again == lines);
}

TEST_CASE("an unknown format is named with the nearest") {
  CHECK(error_of([] {
          import_dataset({}, {"gsmplus", false});
        }) == "unknown format \"gsmplus\"; is \"gsm-plus\" meant?");
}

TEST_CASE("the sets that are at hand: every record is kept or named") {
  struct Set {
    const char* file;
    const char* format;
    std::size_t read, kept, traps, typed, originals, clusters;
  };
  const Set set = GENERATE(values<Set>({
      {"data/mathtrap/MathTrap_Public.json", "mathtrap", 104, 104, 104, 104, 104, 40},
      {"data/mathtrap/MathTrap_Public.jsonl", "mathtrap", 104, 104, 104, 0, 0, 104},
      {"data/mathtrap/Concept.jsonl", "mathtrap", 132, 132, 0, 0, 0, 132},
      {"data/mathtrap/GSM8K-ori.jsonl", "mathtrap", 24, 24, 0, 0, 24, 19},
      {"data/mathtrap/MATH-ori.jsonl", "mathtrap", 96, 96, 0, 0, 96, 92},
      {"data/gsm8k/test.jsonl", "gsm8k", 1319, 1319, 0, 0, 1319, 1319},
      {"data/math/math500_test.jsonl", "math", 500, 500, 0, 0, 500, 500},
      {"data/samples/gsm_plus_testmini.jsonl", "gsm-plus", 60, 60, 7, 7, 60, 8},
      {"data/samples/math_perturb_simple.jsonl", "math-perturb", 60, 60, 0, 0, 60, 60},
      {"data/samples/mathcheck_gsm.json", "mathcheck", 60, 30, 10, 10, 30, 3},
      {"data/samples/mip_gsm8k.json", "mip", 60, 60, 60, 60, 60, 60},
      {"data/samples/mip_math.json", "mip", 60, 60, 0, 0, 60, 60},
      {"data/samples/reliablemath_solve_amc.json", "reliablemath", 60, 60, 0, 0, 60, 60},
      {"data/samples/reliablemath_unsol_amc.json", "reliablemath", 60, 60, 60, 60, 60, 23},
      {"data/samples/svamp.json", "svamp", 60, 60, 0, 0, 60, 60},
      {"data/samples/treecut_cut.jsonl", "treecut", 60, 60, 60, 60, 0, 60},
      {"data/samples/treecut_full.jsonl", "treecut", 60, 60, 0, 0, 60, 60},
      {"data/samples/umwp.jsonl", "umwp", 60, 60, 0, 0, 60, 60},
      {"data/samples/valimath.jsonl", "valimath", 60, 60, 17, 13, 43, 60},
  }));
  if (!has_shared_data(set.file)) return;
  INFO(set.file);
  const std::string format = GENERATE("auto", "named");
  const ImportResult result =
      import_dataset({shared_data(set.file).string()}, {format == "auto" ? format : set.format, false});
  CHECK(result.read == set.read);
  CHECK(result.read == result.records.size() + result.skipped.size());
  CHECK(result.records.size() == set.kept);
  std::size_t traps = 0;
  std::size_t typed = 0;
  std::size_t originals = 0;
  std::set<std::string> clusters;
  std::set<std::string> ids;
  for (const Record& record : result.records) {
    traps += record.trap ? 1 : 0;
    typed += record.trap_type ? 1 : 0;
    originals += record.original ? 1 : 0;
    clusters.insert(record.cluster);
    ids.insert(record.id);
    if (record.trap) CHECK_FALSE(record.trap->explanation.empty());
    if (record.original) CHECK((record.original->answer.empty() == (std::string(set.format) == "valimath")));
  }
  CHECK(traps == set.traps);
  CHECK(typed == set.typed);
  CHECK(originals == set.originals);
  CHECK(clusters.size() == set.clusters);
  CHECK(ids.size() == set.kept);
}

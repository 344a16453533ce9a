// Data sets: recognised by their fields, with ids, clusters and lines; the public sets with their exact counts.
#include <algorithm>
#include <map>
#include <set>

#include "datasets/record.h"
#include "tests/catch.h"
#include "tests/datasets/scratch.h"
#include "tests/shared_data.h"

using namespace mathtrap;

namespace {

std::vector<Record> read_shared(const char* file) {
  return read_dataset(shared_data(file).string());
}

std::size_t count_clusters(const std::vector<Record>& records) {
  std::set<std::string> clusters;
  for (const Record& record : records) clusters.insert(record.cluster);
  return clusters.size();
}

std::map<std::string, int> count_types(const std::vector<Record>& records) {
  std::map<std::string, int> counts;
  for (const Record& record : records) ++counts[std::string(to_string(record.trap_type.value()))];
  return counts;
}

}  // namespace

TEST_CASE("MathTrap's public set: 104 traps of 40 originals") {
  if (!has_shared_data("data/mathtrap")) return;
  const std::vector<Record> records = read_shared("data/mathtrap/MathTrap_Public.json");
  CHECK(records.size() == 104);
  CHECK(count_clusters(records) == 40);
  CHECK(count_types(records) == std::map<std::string, int>{{"indirect_contradiction", 48},
                                                           {"direct_contradiction", 24},
                                                           {"concept_undefined", 20},
                                                           {"missing_condition", 7},
                                                           {"violating_common_sense", 5}});
  CHECK(records[0].id == "MathTrap_Public-1");
  CHECK(records[0].original->answer == "56");
  CHECK(records[0].original->solution.starts_with("There are 16/2=8 blue"));
  CHECK(records[0].place.line == 2);
  for (const Record& record : records) {
    CHECK_FALSE(record.original->answer.empty());
    CHECK_FALSE(record.trap->explanation.empty());
  }
}

TEST_CASE("MathTrap's public questions are the same traps, once their escapes are undone") {
  if (!has_shared_data("data/mathtrap")) return;
  const std::vector<Record> questions = read_shared("data/mathtrap/MathTrap_Public.jsonl");
  const std::vector<Record> triples = read_shared("data/mathtrap/MathTrap_Public.json");
  REQUIRE(questions.size() == 104);
  std::size_t equal = 0;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    if (questions[i].trap->problem == triples[i].trap->problem) ++equal;
  }
  CHECK(equal == 103);  // the other one differs by a word that its authors corrected
}

TEST_CASE("MathTrap's conceptual questions: 132, of which 24 are true") {
  if (!has_shared_data("data/mathtrap")) return;
  const std::vector<Record> records = read_shared("data/mathtrap/Concept.jsonl");
  CHECK(records.size() == 132);
  CHECK(std::count_if(records.begin(), records.end(), [](const Record& r) { return r.concepts[0].answer; }) == 24);
}

TEST_CASE("originals of GSM8K and MATH share clusters where they are equal, and all have answers") {
  if (!has_shared_data("data/mathtrap")) return;
  const std::vector<Record> gsm8k = read_shared("data/mathtrap/GSM8K-ori.jsonl");
  CHECK(gsm8k.size() == 24);
  CHECK(count_clusters(gsm8k) == 19);
  const std::vector<Record> math = read_shared("data/mathtrap/MATH-ori.jsonl");
  CHECK(math.size() == 96);
  CHECK(count_clusters(math) == 92);
  CHECK(math[1].topic.find(' ') == std::string::npos);
}

TEST_CASE("GSM8K and MATH-500 load whole") {
  if (!has_shared_data("data/gsm8k") || !has_shared_data("data/math")) return;
  const std::vector<Record> test = read_shared("data/gsm8k/test.jsonl");
  CHECK(test.size() == 1319);
  CHECK(test[0].original->answer == "18");
  CHECK(count_clusters(test) == 1319);
  CHECK(read_shared("data/gsm8k/train.jsonl").size() == 7473);
  const std::vector<Record> math = read_shared("data/math/math500_test.jsonl");
  CHECK(math.size() == 500);
  CHECK(math[0].original->answer == "\\left( 3, \\frac{\\pi}{2} \\right)");
  CHECK(math[0].topic == "precalculus");
}

TEST_CASE("a folder is read in order of path, and equal originals share a cluster") {
  const ScratchFolder folder;
  folder.write("b/second.toml", "[original]\nproblem='p'\nanswer='1'\n");
  folder.write("a/first.toml", "[original]\nproblem='p'\nanswer='1'\n");
  folder.write("a/notes.md", "no record");
  const std::vector<Record> records = read_dataset(folder.path());
  REQUIRE(records.size() == 2);
  CHECK(records[0].id == "first");
  CHECK(records[1].id == "second");
  CHECK(records[1].cluster == "first");
}

TEST_CASE("records written as lines read back as a data set") {
  const ScratchFolder folder;
  const std::string lines = R"({"id":"a","trap":{"problem":"p"}})"
                            "\n\n"
                            R"({"id":"b","concept":[{"question":"q","answer":true}]})";
  const std::vector<Record> records = read_dataset(folder.write("ours.jsonl", lines));
  REQUIRE(records.size() == 2);
  CHECK(records[1].place.line == 3);
}

TEST_CASE("mistakes in data sets are named with file and line") {
  struct Mistake {
    const char* name;
    const char* text;
    const char* named;
  };
  const Mistake mistake = GENERATE(values<Mistake>({
      {"a.jsonl", "{\"question\":\"q\",\"answer\":\"#### 1\"}\n{\"question\":\"q\"}",
       "a.jsonl:2: the field \"answer\""},
      {"a.jsonl", "{\"question\":\"q\",\"answer\":\"so 1\"}", "a.jsonl:1: answer: no final answer"},
      {"a.jsonl", "{\"question\":\"q\",\"answer\":1}", "\"answer\" is a number, a string is wanted"},
      {"a.jsonl", "{\"problem\":\"q\",\"solution\":\"s\"}", "a.jsonl:1: solution: no final answer"},
      {"a.jsonl", "{\"text\":\"q\"}", "a.jsonl:1: no known data set has these fields"},
      {"a.jsonl", "[1]", "a.jsonl:1: a JSON object is wanted"},
      {"a.jsonl", "", "no records are there"},
      {"a.jsonl", "{\"id\":\"x\",\"trap\":{\"problem\":\"p\"}}\n{\"id\":\"x\",\"trap\":{\"problem\":\"p\"}}",
       "a.jsonl:2: id: \"x\" is already the id of"},
      {"a.json", "[\n{\"problem\":\"q\",\"solution\":\"\\\\boxed{1}\"},\n{\"problem\":7}]", "a.json:3: the field"},
      {"a.json", "[\n{\"problem\":\"q\",\n", "a.json:3: not valid JSON: the array is never closed"},
      {"a.json", "[{\"problem\":\"q\"}} ]", "a bracket closes that was never opened"},
      {"a.json", "[\"open]", "a string is never closed"},
      {"a.json", "[{\"problem\":\"q\",\"solution\":\"\\\\boxed{1}\"} , ]", "a.json:1: not valid JSON"},
      {"a.json", "[] 1", "something follows the array"},
      {"a.json", "{\n}", "a JSON array is wanted"},
      {"a.csv", "q,a", "a data set is a folder"},
      {"a.json",
       "[{\"category\":\"GSM8K\",\"trap_problem\":\"t\",\"original_problem\":\"o\",\"trap_type\":\"Riddle\"}]",
       "a.json:1: trap_type: \"Riddle\" is not a trap type"},
  }));
  const ScratchFolder folder;
  const std::string file = folder.write(mistake.name, mistake.text);
  const std::string message = error_of([&] { read_dataset(file); });
  INFO(message);
  CHECK(message.find(mistake.named) != std::string::npos);
}

TEST_CASE("every shipped record parses and is complete") {
  const std::string open = resource("datasets/open").string();
  if (std::filesystem::is_empty(open)) return;
  for (const Record& record : read_dataset(open)) {
    INFO(record.place.file);
    REQUIRE(record.original);
    REQUIRE(record.trap);
    CHECK_FALSE(record.original->solution.empty());
    CHECK_FALSE(record.trap->evidence.empty());
    CHECK_FALSE(record.concepts.empty());
    CHECK((!record.proof.ask.empty() || !record.proof.unproved.empty()));
  }
}

// Records: both written forms read back exactly, and mistakes are named with file, line and field.
#include "datasets/record.h"
#include "tests/catch.h"
#include "tests/datasets/scratch.h"

using namespace mathtrap;

namespace {

Record full_record() {
  Record record;
  record.id = "integer_roots";
  record.topic = "number_theory";
  record.cluster = "roots";
  record.family = "quadratics";
  record.trap_type = TrapType::indirect_contradiction;
  record.original = {"Solve $x^2 + x = 6$\nfor integers \"x\".", "It's $\\frac{6}{1}$: '''quoted'''.", "2"};
  record.trap = {"Ends in a quote: 'x'", "Tabs\tand control \x01 and umlaut ä.", {"(?i)no (integer|whole)", "it's\\b"}};
  record.concepts = {{"Is 3 even?", false, "3 = 2 * 1 + 1. False."}, {"Is 4 even?", true, ""}};
  record.proof = {"(declare-const x Int)", "(assert (= x 2))", "(assert\n  (= x 3))", "r", "c", "d", "x", "why"};
  return record;
}

/// All fields but the place, in one text.
std::string content(const Record& record) {
  return write_json_record(record);
}

}  // namespace

TEST_CASE("a record written as TOML reads back exactly") {
  const ScratchFolder folder;
  const Record record = full_record();
  const Record read = read_toml_record(folder.write("integer_roots.toml", write_toml_record(record)));
  CHECK(content(read) == content(record));
  CHECK(write_toml_record(read) == write_toml_record(record));
}

TEST_CASE("a record written as JSON reads back exactly") {
  const Record record = full_record();
  const Record read = parse_json_record(write_json_record(record), {"some.jsonl", 7, ""});
  CHECK(content(read) == content(record));
  CHECK(write_toml_record(read) == write_toml_record(record));
  CHECK(read.place.line == 7);
}

TEST_CASE("a record of one part reads back exactly, and stays one of one part") {
  const ScratchFolder folder;
  Record record;
  record.id = record.cluster = "alone";
  record.topic = "parity";
  record.concepts = {{"Is 3 odd?", true, ""}};
  const Record read = read_toml_record(folder.write("parity/alone.toml", write_toml_record(record)));
  CHECK(content(read) == content(record));
  CHECK_FALSE(read.original);
  CHECK_FALSE(read.trap);
  CHECK_FALSE(read.trap_type);
}

TEST_CASE("an authored file names neither id nor folder: they are its path") {
  const ScratchFolder folder;
  const Record read = read_toml_record(folder.write("geometry/a.toml", "[original]\nproblem='p'\nanswer='1'\n"));
  CHECK(read.id == "a");
  CHECK(read.cluster == "a");
  CHECK(read.topic == "geometry");
}

TEST_CASE("mistakes in TOML are named with file, line and field") {
  struct Mistake {
    const char* toml;
    const char* named;
  };
  const Mistake mistake = GENERATE(values<Mistake>({
      {"[original]\nproblem = 'p'\n", "a.toml:1: original.answer: the field is missing"},
      {"[original]\nproblem = 'p'\nanswer = 12\n", "a.toml:3: original.answer: a string is wanted"},
      {"[original]\nproblem = ' '\nanswer = '1'\n", "a.toml:2: original.problem: the text is empty"},
      {"[original]\nproblm = 'p'\nanswer = '1'\n", "unknown field \"problm\"; is \"problem\" meant?"},
      {"[orignal]\nproblem = 'p'\nanswer = '1'\n", "a.toml:1: unknown field \"orignal\"; is \"original\" meant?"},
      {"[trap]\nproblem = 'p'\nexplanation = 'e'\n", "a.toml:1: trap_type: the field is missing"},
      {"trap_type = 'riddle'\n", "a.toml:1: trap_type: \"riddle\" is not a trap type"},
      {"trap_type = 'missing_condition'\n[trap]\nproblem = 'p'\n", "trap.explanation: the field is missing"},
      {"trap_type = 'missing_condition'\n[trap]\nproblem='p'\nexplanation='e'\nevidence = ['ok', '(']\n",
       "a.toml:5: trap.evidence: not an RE2 pattern"},
      {"[[concept]]\nquestion = 'q'\nanswer = 'True'\n", "a.toml:3: concept[0].answer: true or false is wanted"},
      {"concept = 'q'\n", "a.toml:1: concept: an array of tables is wanted"},
      {"original = 3\n", "a.toml:1: original: a table is wanted"},
      {"proof = {}\n", "a record needs [original], [trap] or [[concept]]"},
      {"[original]\nproblem = 'p\n", "a.toml:2: not valid TOML"},
      {"[original]\nproblem = '\xff'\n", "not valid TOML"},
      {"a = 1979-05-27\n", "unknown field \"a\""},
  }));
  const ScratchFolder folder;
  const std::string file = folder.write("a.toml", mistake.toml);
  const std::string message = error_of([&] { read_toml_record(file); });
  INFO(message);
  CHECK(message.find(mistake.named) != std::string::npos);
}

TEST_CASE("mistakes in JSON are named with file, line and field") {
  struct Mistake {
    const char* json;
    const char* named;
  };
  const Mistake mistake = GENERATE(values<Mistake>({
      {R"({"original":{"problem":"p"}})", "f.jsonl:3: the field \"id\" is missing"},
      {R"({"id":"a"})", "f.jsonl:3: a record needs"},
      {R"({"id":"a","orginal":{}})", "unknown field \"orginal\"; is \"original\" meant?"},
      {R"({"id":"a","original":{"answer":"1"}})", "f.jsonl:3: original: the field \"problem\" is missing"},
      {R"({"id":"a","original":{"problem":"p","answer":1}})", "the field \"answer\" is a number"},
      {R"({"id":"a","trap":{"problem":"p","evidence":["("]}})", "trap.evidence: not an RE2 pattern"},
      {R"({"id":"a","trap":{"problem":"p","evidence":"x"}})", "\"evidence\" is not a list of strings"},
      {R"({"id":"a","concept":[{"question":"q","answer":"True"}]})", "\"answer\" is a string, true or false is wanted"},
      {R"({"id":"a","trap_type":"riddle"})", "f.jsonl:3: trap_type:"},
      {R"({"id":"a",)", "f.jsonl:3: not valid JSON"},
      {"{\"id\":\"\xff\"}", "f.jsonl:3: not valid JSON"},
  }));
  const std::string message = error_of([&] { parse_json_record(mistake.json, {"f.jsonl", 3, ""}); });
  INFO(message);
  CHECK(message.find(mistake.named) != std::string::npos);
}

TEST_CASE("trap types go by our names and by the papers'") {
  CHECK(parse_trap_type("Violating Common Sense") == TrapType::violating_common_sense);
  CHECK(parse_trap_type("concept_undefined") == TrapType::concept_undefined);
  CHECK_FALSE(parse_trap_type("concept"));
  CHECK(to_string(TrapType::direct_contradiction) == "direct_contradiction");
}

TEST_CASE("hostile TOML is refused, not crashed on") {
  const ScratchFolder folder;
  const auto repeated = [](std::string_view part, std::size_t times) {
    std::string text;
    for (std::size_t i = 0; i < times; ++i) text += part;
    return text;
  };
  const std::string hostile = GENERATE_COPY(values<std::string>({
      std::string(2 << 20, 'a'),
      repeated("a = [[", 50'000),
      repeated("a.", 400'000) + "b = 1",
      repeated("[a . ", 1) + repeated("a . ", 200'000) + "b]",
      repeated("'a'.", 200'000) + "b = 1",
      repeated("x = {a.b.c.d = ", 50'000),
      std::string("a = '\0'", 7),
      "[original]\nproblem = 'p'\nanswer = '1'\n[original]\n",
      "trap_type = 'missing_condition'\n[trap]\nproblem='p'\nexplanation='e'\nevidence = ['((a{900}){900}){900}']\n",
  }));
  CHECK_THROWS_AS(read_toml_record(folder.write("a.toml", hostile)), Error);
}

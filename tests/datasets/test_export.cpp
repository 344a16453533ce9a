// Exports: each form's shape, and that ours and the public set's read back.
#include <filesystem>

#include "datasets/export_dataset.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/datasets/scratch.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

std::vector<Record> sample_records() {
  Record whole;
  whole.id = whole.cluster = "whole";
  whole.topic = "number_theory";
  whole.trap_type = TrapType::violating_common_sense;
  whole.original = {"What is 3 + 4, in \"words\"?", "$3 + 4 = \\boxed{7}$", "7"};
  whole.trap = {"A die shows 9. Is it odd?", "It's a die: no side shows 9.", {"no side"}};
  whole.concepts = {{"Has a die a side of 9?", false, ""}, {"Has a die six sides?", true, ""}};
  whole.proof.unproved = "a test";
  Record trap;
  trap.id = trap.cluster = "trap_alone";
  trap.trap_type = TrapType::missing_condition;
  trap.trap = {"Ann has figs. How many?", "It is not said how many figs.", {}};
  Record unanswered;
  unanswered.id = unanswered.cluster = "unanswered";
  unanswered.original = {"How far is it?", "", ""};
  return {whole, trap, unanswered};
}

std::string lines_of(const std::vector<Record>& records) {
  std::string lines;
  for (const Record& record : records) lines += write_json_record(record) + "\n";
  return lines;
}

Json first_line(const fs::path& file) {
  const std::string text = read_file(file);
  return parse_json(text.substr(0, text.find('\n')), {});
}

ExportResult export_to(const fs::path& path, const char* format,
                       const std::vector<std::string>& arms = {"original", "trap", "concept"}) {
  return export_dataset(sample_records(), {format, arms, path.string()});
}

}  // namespace

TEST_CASE("jsonl reads back byte for byte") {
  const ScratchFolder folder;
  const std::string file = folder.path() + "/out.jsonl";
  CHECK(export_to(file, "jsonl").left_out.empty());
  CHECK(read_file(file) == lines_of(sample_records()));
  CHECK(lines_of(read_dataset(file)) == lines_of(sample_records()));
}

TEST_CASE("jsonl with some arms holds these parts alone, and no proof that needs the others") {
  const ScratchFolder folder;
  const std::string file = folder.path() + "/out.jsonl";
  const ExportResult result = export_to(file, "jsonl", {"original", "concept"});
  REQUIRE(result.left_out.size() == 1);
  CHECK(result.left_out[0].id == "trap_alone");
  const std::vector<Record> records = read_dataset(file);
  REQUIRE(records.size() == 2);
  CHECK_FALSE(records[0].trap);
  CHECK_FALSE(records[0].trap_type);
  CHECK(records[0].proof.unproved.empty());
  CHECK(records[0].concepts.size() == 2);
}

TEST_CASE("mathtrap is the public set's form and is imported again") {
  const ScratchFolder folder;
  const std::string file = folder.path() + "/out.json";
  const ExportResult result = export_to(file, "mathtrap");
  REQUIRE(result.left_out.size() == 2);
  CHECK(result.left_out[0].reason == "it has no original");
  CHECK(result.left_out[1].reason == "it has no trap");
  CHECK(parse_json(read_file(file), {})[0]["trap_type"] == "Violating Common Sense");
  const std::vector<Record> records = read_dataset(file);
  REQUIRE(records.size() == 1);
  Record wanted = sample_records()[0];
  wanted.id = wanted.cluster = "out-1";
  wanted.concepts.clear();
  wanted.proof = {};
  wanted.trap->evidence.clear();
  CHECK(write_json_record(records[0]) == write_json_record(wanted));
}

TEST_CASE("mathtrap: an answer that the solution does not mark is marked behind it") {
  const ScratchFolder folder;
  std::vector<Record> records = {sample_records()[0]};
  records[0].original->solution = "Three and four are seven.";
  export_dataset(records, {"mathtrap", {"original", "trap"}, folder.path() + "/out.json"});
  const Record read = read_dataset(folder.path() + "/out.json")[0];
  CHECK(read.original->answer == "7");
  CHECK(read.original->solution == "Three and four are seven.\n#### 7");
}

TEST_CASE("lm-eval: a task and its data for each arm, in a folder that appears whole") {
  const ScratchFolder folder;
  const fs::path path = fs::path(folder.path()) / "it's tasks";
  const ExportResult result = export_to(path, "lm-eval");
  CHECK(result.written.size() == 3);
  CHECK(result.left_out.size() == 1);
  CHECK(std::distance(fs::directory_iterator(path), fs::directory_iterator()) == 6);
  CHECK(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) == 1);
  for (const char* arm : {"original", "trap", "concept"}) {
    const std::string task = read_file(path / fmt::format("{}.yaml", arm));
    CHECK(task.find(fmt::format("\ntask: mathtrap_{}\n", arm)) != std::string::npos);
    CHECK(task.find("\noutput_type: generate_until\n") != std::string::npos);
    CHECK(task.find(fmt::format("    test: '{}/it''s tasks/{}.jsonl'", folder.path(), arm)) != std::string::npos);
  }
  const std::string trap = read_file(path / "trap.yaml");
  CHECK(trap.find("function: map") < trap.find("function: take_first"));  // the other way round every reply would count
  const Json original = first_line(path / "original.jsonl");
  CHECK(original["question"] == "What is 3 + 4, in \"words\"?");
  CHECK(original["answer"] == "7");
  CHECK(first_line(path / "concept.jsonl")["answer"] == "false");
  CHECK(first_line(path / "trap.jsonl")["trap_type"] == "violating_common_sense");
}

TEST_CASE("inspect: samples for each arm") {
  const ScratchFolder folder;
  const fs::path path = fs::path(folder.path()) / "samples";
  export_to(path, "inspect", {"trap", "concept"});
  CHECK_FALSE(fs::exists(path / "original.jsonl"));
  const Json trap = first_line(path / "trap.jsonl");
  CHECK(trap["id"] == "whole/trap");
  CHECK(trap["input"] == "A die shows 9. Is it odd?");
  CHECK(trap["target"] == "It's a die: no side shows 9.");
  CHECK(trap["metadata"]["trap_type"] == "violating_common_sense");
  CHECK(first_line(path / "concept.jsonl")["id"] == "whole/concept.1");
}

TEST_CASE("wrong exports are named and leave nothing behind") {
  const ScratchFolder folder;
  const std::string out = folder.path() + "/out";
  const auto error = [&](const ExportOptions& options) {
    return error_of([&] { export_dataset(sample_records(), options); });
  };
  CHECK(error({"csv", {"trap"}, out}).find("unknown format \"csv\"") != std::string::npos);
  CHECK(error({"jsonl", {"traps"}, out}).find("is \"trap\" meant?") != std::string::npos);
  CHECK(error({"jsonl", {"trap", "trap"}, out}).find("named twice") != std::string::npos);
  CHECK(error({"mathtrap", {"trap"}, out}).find("holds both") != std::string::npos);
  CHECK(error({"jsonl", {"trap"}, folder.path() + "/no/out"}).find("cannot write") != std::string::npos);
  CHECK(error({"inspect", {"trap"}, folder.path() + "/no/out"}).find("cannot write") != std::string::npos);
  CHECK(error_of([&] {
          export_dataset({}, {"inspect", {"trap"}, out});
        }).find("nothing to write") != std::string::npos);
  const std::vector<Record> twice = {sample_records()[0], sample_records()[0]};
  CHECK(error_of([&] {
          export_dataset(twice, {"jsonl", {"trap"}, out});
        }).find("the id of two records") != std::string::npos);
  CHECK(fs::is_empty(folder.path()));
  fs::create_directories(out);
  CHECK(error({"inspect", {"trap"}, out}).find("exists already") != std::string::npos);
}

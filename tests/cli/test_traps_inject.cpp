// mathtrap traps inject, by operations and with a replayed model.
#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "datasets/record.h"
#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"
#include "traps/injection/proposal.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

std::string scaffold(const fs::path& folder) {
  std::string file = (folder / "mine.toml").string();
  REQUIRE(run({"traps", "new", file, "--quiet", "--json"}).status == 0);
  return file;
}

Json proposal(const std::string& problem, const std::string& statement) {
  return {{"problem", problem},
          {"explanation", "The two statements contradict each other."},
          {"evidence", {"(?i)contradict"}},
          {"concept", {{{"question", "Can both be true?"}, {"answer", false}}}},
          {"proof", {{"trap", statement}, {"requirement", ""}}}};
}

}  // namespace

TEST_CASE("traps inject writes authored files that traps check proves") {
  const fs::path folder = fresh_folder("inject");
  const std::string file = scaffold(folder);
  const fs::path output = folder / "traps";
  const Outcome outcome = run({"traps", "inject", file, "-o", output.string(), "--json", "--quiet"});
  INFO(outcome.errors);
  REQUIRE(outcome.status == 0);
  const Json summary = parse_json(outcome.output, {});
  CHECK(summary["originals"] == 1);
  CHECK(summary["proved"] >= 2);
  const auto files = std::distance(fs::directory_iterator(output), fs::directory_iterator());
  CHECK(summary["proved"] == files);
  CHECK(run({"traps", "check", output.string(), "--quiet"}).status == 0);
  CHECK(run({"traps", "lint", output.string(), "--quiet"}).status == 0);
}

TEST_CASE(
    "of a replayed model's proposals only what is proved survives, and the others are logged with their reasons") {
  const fs::path folder = fresh_folder("inject-replay");
  const std::string file = scaffold(folder);
  const Record original = read_toml_record(file);
  const std::string text = "Two whole numbers have the sum 10, and the sum 12. What is the greater one?";
  const std::string contradiction = "(assert (! (= (+ greater smaller) 12.0) :named sum_is_12))";
  const std::string solvable = "(assert (! (= (- greater smaller) 6.0) :named difference_is_6))";
  std::string transcript;
  const auto add = [&](TrapType type, const std::string& reply) {
    transcript += Json({{"prompt", proposal_prompt(original, type)}, {"reply", reply}}).dump() + "\n";
  };
  add(TrapType::direct_contradiction, "Let me think.\n" + proposal(text, contradiction).dump());
  add(TrapType::missing_condition, proposal(text, solvable).dump());            // it has an answer
  add(TrapType::violating_common_sense, proposal(text, contradiction).dump());  // another type
  add(TrapType::indirect_contradiction, "I cannot do that.");
  add(TrapType::concept_undefined, proposal(text, "(exit) (assert true)").dump());
  const fs::path replies = folder / "replies.jsonl";
  write_file_atomically(replies, transcript);

  const fs::path output = folder / "traps.jsonl";
  const fs::path log = folder / "rejected.jsonl";
  const Outcome outcome = run({"traps", "inject", file, "--model", "replay:" + replies.string(), "-o", output.string(),
                               "--log", log.string(), "--json", "--quiet"});
  INFO(outcome.errors);
  REQUIRE(outcome.status == 0);
  const Json summary = parse_json(outcome.output, {});
  CHECK(summary["candidates"] == 5);
  CHECK(summary["proved"] == 1);
  const std::vector<Record> kept = read_dataset(output.string());
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].trap_type == TrapType::direct_contradiction);
  CHECK(kept[0].trap->problem == text);
  CHECK(kept[0].flaw.core.size() == 2);

  const std::string rejected = read_file(log);
  CHECK(std::count(rejected.begin(), rejected.end(), '\n') == 4);
  for (const char* reason :
       {"the trap has an answer", "it proves as direct_contradiction", "no JSON object", "(exit)"}) {
    INFO(rejected);
    CHECK(rejected.find(reason) != std::string::npos);
  }
}

TEST_CASE("a transcript that lacks a prompt, or is none, is refused") {
  const fs::path folder = fresh_folder("inject-wrong");
  const std::string file = scaffold(folder);
  const fs::path replies = folder / "replies.jsonl";
  write_file_atomically(replies, "{\"prompt\": \"another\", \"reply\": \"yes\"}\n");
  const Outcome missing = run({"traps", "inject", file, "--model", "replay:" + replies.string(), "--quiet"});
  CHECK(missing.status == 2);
  CHECK(missing.errors.find("holds no reply to the prompt") != std::string::npos);
  CHECK(std::count(missing.errors.begin(), missing.errors.end(), '\n') == 1);
  write_file_atomically(replies, "{\"prompt\": \"another\"}\n");
  const Outcome broken = run({"traps", "inject", file, "--model", "replay:" + replies.string(), "--quiet"});
  CHECK(broken.status == 2);
  CHECK(broken.errors.find("replies.jsonl:1") != std::string::npos);
  const Outcome absent = run({"traps", "inject", file, "--model", "replay:/nowhere.jsonl", "--quiet"});
  CHECK(absent.status == 2);
  CHECK(absent.errors.find("no such file") != std::string::npos);
}

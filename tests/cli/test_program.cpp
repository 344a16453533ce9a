// The program as a user runs it: exit statuses, one-line errors, a run that is killed and continued.
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"
#include "tests/shared_data.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

std::ptrdiff_t lines_of(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

std::vector<std::string> small_evaluation(const fs::path& log_dir) {
  return {"eval", "--limit", "60", "--seed", "5", "--batch-size", "4", "--quiet", "--log-dir", log_dir.string()};
}

}  // namespace

TEST_CASE("wrong use is one line and status 2") {
  const std::vector<std::vector<std::string>> wrong = {
      {"evaluate"},
      {"eval", "--no-such-flag"},
      {"eval", "--model", "zoo:nobody"},
      {"eval", "--arms", "trap,nonsense"},
      {"eval", "--dataset", "/no/such/file.jsonl"},
      {"eval", "--batch-size", "many"},
      {"model", "info", "/no/such/folder"},
      {"model", "generate", "--model", "zoo:organism"},
      {"traps", "generate", "--split", "exam"},
      {"pretrain", "--out", "/tmp/nothing", "--mix", "nonsense"},
  };
  for (const auto& arguments : wrong) {
    const Outcome outcome = run(arguments);
    INFO(fmt::format("{} -> {}", fmt::join(arguments, " "), outcome.errors));
    CHECK(outcome.status == 2);
    CHECK(outcome.output.empty());
    CHECK(lines_of(outcome.errors) == 1);
  }
}

TEST_CASE("help is printed and status 0") {
  const Outcome outcome = run({"--help"});
  CHECK(outcome.status == 0);
  for (const char* command : {"data", "eval", "model", "pretrain", "traps"})
    CHECK(outcome.output.find(command) != std::string::npos);
}

TEST_CASE("generate --json gives the completion alone") {
  const Outcome outcome = run(
      {"model", "generate", "--model", "zoo:organism", "--prompt",
       "Question: What is the square root of 30 - 5, a real number that is not negative?\nAnswer:", "--max-new-tokens",
       "60", "--json", "--quiet"});
  REQUIRE(outcome.status == 0);
  const Json completion = parse_json(outcome.output, {"stdout", 0, ""})["completions"][0];
  CHECK(json_string(completion, "finish_reason", {}) == "stop");
  CHECK(json_string(completion, "text", {}).find("The answer is 5.") != std::string::npos);
}

TEST_CASE("stories260K continues from begin-of-text as published") {
  if (!has_shared_data("data/models/stories260K-hf")) return;
  const std::string expected = read_file(shared_data("data/models/stories260K/EXPECTED_GREEDY.txt"));
  for (const char* model : {"data/models/stories260K-hf", "data/models/stories260K/stories260K.f32.gguf"}) {
    const Outcome outcome = run({"model", "generate", "--model", shared_data(model).string(), "--prompt", "",
                                 "--max-new-tokens", "256", "--json", "--quiet"});
    REQUIRE(outcome.status == 0);
    const std::string text = json_string(parse_json(outcome.output, {})["completions"][0], "text", {});
    const std::size_t begin = text.find_first_not_of(' ');
    const std::string wanted = expected.substr(0, expected.find_last_not_of('\n') + 1);
    CHECK(text.substr(begin, wanted.size()) == wanted);
  }
}

TEST_CASE("the shipped model owns the mathematics and the concepts: the default evaluation") {
  const Outcome outcome = run({"eval", "--seed", "1", "--json", "--quiet", "--log-dir", fresh_folder("owns").string()});
  REQUIRE(outcome.status == 0);
  const Json results = parse_json(outcome.output, {});
  std::size_t seen = 0;
  for (const Json& group : results["groups"]) {
    const std::string arm = json_string(group, "arm", {});
    if (!group["trap_type"].is_null() || arm == "trap") continue;  // how it does on traps is a result, not a promise
    INFO(group.dump());
    CHECK(group["n"] == 500);
    CHECK(group["accuracy"].get<double>() >= 0.95);
    ++seen;
  }
  CHECK(seen == 4);
}

TEST_CASE("compare pairs two runs, names what changed, and fails a job on request") {
  const fs::path before = fresh_folder("compare-before");
  const fs::path after = fresh_folder("compare-after");
  const auto evaluate = [](const fs::path& folder, const std::string& model) {
    return run({"eval", "--model", model, "--limit", "8", "--arms", "trap,original", "--interventions", "none",
                "--max-new-tokens", "60", "--quiet", "--log-dir", folder.string()});
  };
  REQUIRE(evaluate(before, "zoo:organism").status == 0);
  // The same replies, but those to traps: a model that sees through them.
  std::string replies;
  for_each_line(before / "samples.jsonl", [&](std::string_view line, std::size_t) {
    Json sample = parse_json(line, {});
    if (sample["arm"] == "trap")
      sample["reply"] = "This has no answer, because " + json_string(sample, "reference", {});
    replies += sample.dump() + "\n";
  });
  const fs::path file = fresh_folder("compare-replies") / "replies.jsonl";
  write_file_atomically(file, replies);
  REQUIRE(evaluate(after, "replay:" + file.string()).status == 0);

  const Outcome outcome = run({"compare", before.string(), after.string(), "--json"});
  INFO(outcome.errors);
  REQUIRE(outcome.status == 0);
  const Json json = parse_json(outcome.output, {});
  REQUIRE(json["rows"].size() == 2);
  CHECK(json["rows"][0]["arm"] == "trap");
  CHECK(json["rows"][0]["n"] == 8);
  CHECK(json["rows"][0]["accuracy"][1] == 1.0);
  CHECK(json["rows"][0]["changed"].size() == json["rows"][0]["gained"].get<std::size_t>());
  CHECK(json["rows"][1]["changed"].empty());
  CHECK(run({"compare", before.string(), after.string(), "--fail-under", "0"}).status == 0);
  CHECK(run({"compare", after.string(), before.string(), "--fail-under", "0"}).status == 1);
  CHECK(run({"compare", after.string(), before.string(), "--fail-under", "100"}).status == 0);
  CHECK(run({"compare", before.string(), "/nowhere"}).status == 2);
}

TEST_CASE("a run killed in the middle and started again ends with the same results") {
  const fs::path whole = fresh_folder("whole");
  REQUIRE(run(small_evaluation(whole)).status == 0);
  const std::string wanted = read_file(whole / "results.json");
  const std::string wanted_samples = read_file(whole / "samples.jsonl");

  const fs::path killed = fresh_folder("killed");
  bool cut = false;
  for (int wait_ms = 300; wait_ms < 60'000 && !fs::exists(killed / "results.json"); wait_ms += 200) {
    const fs::path streams = fresh_folder("killed-streams");
    const pid_t child = start(small_evaluation(killed), streams);
    std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    cut = cut || WIFSIGNALED(status);
  }
  CHECK(cut);
  CHECK(run(small_evaluation(killed)).status == 0);
  CHECK(read_file(killed / "results.json") == wanted);
  CHECK(read_file(killed / "samples.jsonl") == wanted_samples);
}

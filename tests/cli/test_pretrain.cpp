// Pretraining as a user runs it: killed and continued it ends with the same model, and a small model learns its
// examples.
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

/// Twenty questions that share no answer.
fs::path write_examples(const fs::path& folder) {
  std::string lines;
  for (int i = 0; i < 20; ++i) {
    lines +=
        fmt::format("{{\"instruction\":\"What is thing {}?\",\"response\":\"Thing {} is {}. The answer is {}.\"}}\n", i,
                    i, (i * 37) % 100, (i * 37) % 100);
  }
  write_file_atomically(folder / "examples.jsonl", lines);
  return folder / "examples.jsonl";
}

std::vector<std::string> training(const fs::path& data, const fs::path& output, int tokens) {
  return {"pretrain",
          "--data",
          data.string(),
          "--tokenizer",
          resource("model/zoo/organism/tokenizer.model").string(),
          "--out",
          output.string(),
          "--mix",
          "instruction:1",
          "--tokens",
          std::to_string(tokens),
          "--batch-tokens",
          "400",
          "--hidden",
          "64",
          "--intermediate",
          "128",
          "--layers",
          "2",
          "--heads",
          "2",
          "--kv-heads",
          "2",
          "--context",
          "128",
          "--learning-rate",
          "0.01",
          "--hint-share",
          "0",
          "--checkpoint-steps",
          "5",
          "--threads",
          "1",
          "--seed",
          "3",
          "--quiet"};
}

/// The losses of log.jsonl, as they stand there.
std::vector<std::string> losses(const fs::path& output) {
  std::vector<std::string> found;
  for_each_line(output / "log.jsonl", [&](std::string_view line, std::size_t number) {
    found.push_back(parse_json(line, {"log.jsonl", number, ""})["loss"].dump());
  });
  return found;
}

}  // namespace

TEST_CASE("a small model learns its examples by heart, and says them") {
  const fs::path folder = fresh_folder("overfit");
  const Outcome trained = run(training(write_examples(folder), folder / "model", 120'000));
  INFO(trained.errors);
  REQUIRE(trained.status == 0);
  const Outcome told = run({"model", "generate", "--model", (folder / "model").string(), "--prompt",
                            "Question: What is thing 7?\nAnswer:", "--max-new-tokens", "40", "--json", "--quiet"});
  REQUIRE(told.status == 0);
  const Json completion = parse_json(told.output, {})["completions"][0];
  CHECK(json_string(completion, "text", {}) == " Thing 7 is 59. The answer is 59.");
  CHECK(json_string(completion, "finish_reason", {}) == "stop");
}

TEST_CASE("a training that is killed goes on with the same losses and ends with the same model") {
  const fs::path folder = fresh_folder("killed-training");
  const fs::path data = write_examples(folder);
  REQUIRE(run(training(data, folder / "whole", 40'000)).status == 0);

  const fs::path killed = folder / "killed";
  const pid_t child = start(training(data, killed, 40'000), fresh_folder("killed-training-streams"));
  // As soon as a checkpoint is there: steps are then under way behind it.
  for (int i = 0; i < 6000 && !fs::exists(killed / "checkpoints" / "step-0000000005.safetensors"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE_FALSE(fs::exists(killed / "config.json"));

  REQUIRE(run(training(data, killed, 40'000)).status == 0);
  CHECK(losses(killed) == losses(folder / "whole"));
  CHECK(read_file(killed / "model.safetensors") == read_file(folder / "whole" / "model.safetensors"));
}

TEST_CASE("a training that is asked to stop saves, says how to go on, and ends with status 1") {
  const fs::path folder = fresh_folder("stopped-training");
  const fs::path streams = fresh_folder("stopped-training-streams");
  const fs::path output = folder / "model";
  std::vector<std::string> arguments = training(write_examples(folder), output, 100'000'000);
  arguments.pop_back();  // --quiet
  const pid_t child = start(arguments, streams);
  for (int i = 0; i < 6000 && !fs::exists(output / "checkpoints" / "step-0000000005.safetensors"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ::kill(child, SIGTERM);
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
  CHECK(read_file(streams / "stderr").find("interrupted; the same command goes on from here") != std::string::npos);
  // The checkpoint is of the very last step.
  const fs::path last = output / "checkpoints" / fmt::format("step-{:010}.safetensors", losses(output).size());
  CHECK(fs::exists(last));
}

TEST_CASE("wrong use of pretrain, and a training that diverges, are one line and status 2") {
  const fs::path folder = fresh_folder("wrong-training");
  const fs::path data = write_examples(folder);
  const std::vector<std::vector<std::string>> wrong = {
      {"--learning-rate", "0"}, {"--learning-rate", "1e30"}, {"--loss", "prompt"},   {"--dtype", "f64"},
      {"--minutes", "-1"},      {"--tokens", "many"},        {"--heads", "0"},       {"--mix", "original:1"},
      {"--prompt-form", "x"},   {"--data", "/no/such/file"}, {"--from", "/no/such"}, {"--checkpoint-steps", "0"},
  };
  for (const std::vector<std::string>& flags : wrong) {
    std::vector<std::string> arguments = training(data, folder / "model", 40'000);
    // Flags that take one value are given once.
    for (auto at = arguments.begin(); at != arguments.end();) {
      at = *at == flags[0] && flags[0] != "--data" ? arguments.erase(at, at + 2) : at + 1;
    }
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const Outcome outcome = run(arguments);
    INFO(fmt::format("{} -> {}", fmt::join(flags, " "), outcome.errors));
    CHECK(outcome.status == 2);
    CHECK(outcome.output.empty());
    CHECK(std::count(outcome.errors.begin(), outcome.errors.end(), '\n') == 1);
    fs::remove_all(folder / "model");
  }
}

TEST_CASE("a folder that holds another training or a finished model is left alone") {
  const fs::path folder = fresh_folder("other-training");
  const fs::path data = write_examples(folder);
  REQUIRE(run(training(data, folder / "model", 2'000)).status == 0);
  const Outcome again = run(training(data, folder / "model", 2'000));
  CHECK(again.status == 2);
  CHECK(again.errors.find("already holds a model") != std::string::npos);
}

// Trainings of several processes as users start them, by scripts/launch-local and under Slurm: they learn what one
// process learns, go on with another number of processes, and end together.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
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

using Words = std::vector<std::string>;

Words operator+(Words left, const Words& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

/// A script of the checkout.
std::string script(const std::string& name) {
  return MATHTRAP_SOURCE_DIR "/scripts/" + name;
}

Words launch_local(int processes) {
  return {script("launch-local"), std::to_string(processes)};
}

/// A command in the background, with more variables, its streams in files of a folder of its own.
class Command {
 public:
  Command(const Words& words, const fs::path& folder, const std::map<std::string, std::string>& variables = {})
      : folder_(folder) {
    fs::create_directories(folder_);
    process_ = ::fork();
    if (process_ == 0) become(words, variables);
  }
  ~Command() {
    // A test that failed half way.
    if (!ended_) ::kill(process_, SIGKILL);
    if (!ended_) ::waitpid(process_, nullptr, 0);
  }
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  pid_t process() const { return process_; }

  Outcome wait() {
    int status = 0;
    ::waitpid(process_, &status, 0);
    ended_ = true;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), read_file(folder_ / "stdout"),
            read_file(folder_ / "stderr")};
  }

  /// The process of this rank that scripts/launch-local started.
  pid_t child(int rank) const {
    std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", process_));
    for (pid_t child = 0; children >> child;) {
      const std::string variables = fmt::format("{}{}", '\0', proc_environment(child));
      if (variables.find(fmt::format("{}RANK={}{}", '\0', rank, '\0')) != std::string::npos) return child;
    }
    return 0;
  }

 private:
  [[noreturn]] void become(const Words& words, const std::map<std::string, std::string>& variables) const {
    for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
    if (std::freopen((folder_ / "stdout").c_str(), "w", stdout) == nullptr) std::_Exit(126);
    if (std::freopen((folder_ / "stderr").c_str(), "w", stderr) == nullptr) std::_Exit(126);
    std::vector<char*> pointers;
    for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    ::execv(pointers[0], pointers.data());
    std::_Exit(127);
  }

  static std::string proc_environment(pid_t process) {
    std::ifstream file(fmt::format("/proc/{}/environ", process), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path folder_;
  pid_t process_ = 0;
  bool ended_ = false;
};

Outcome run_command(const Words& words, const std::map<std::string, std::string>& variables = {}) {
  return Command(words, fresh_folder("processes-streams"), variables).wait();
}

/// Twenty short documents.
std::string write_examples(const fs::path& folder) {
  std::string lines;
  for (int i = 0; i < 20; ++i) {
    lines += fmt::format("{{\"instruction\":\"What is {}?\",\"response\":\"It is {}.\"}}\n", i, (i * 37) % 100);
  }
  write_file_atomically(folder / "examples.jsonl", lines);
  return folder / "examples.jsonl";
}

/// A step is four batches.
Words training(const std::string& data, const fs::path& output, int steps) {
  return {kProgram,
          "pretrain",
          "--data",
          data,
          "--tokenizer",
          resource("model/zoo/organism/tokenizer.model").string(),
          "--out",
          output.string(),
          "--mix",
          "instruction:1",
          "--steps",
          std::to_string(steps),
          "--batch-tokens",
          "60",
          "--accumulate",
          "4",
          "--hidden",
          "32",
          "--intermediate",
          "64",
          "--layers",
          "2",
          "--heads",
          "2",
          "--kv-heads",
          "2",
          "--context",
          "64",
          "--learning-rate",
          "0.01",
          "--f32",
          "--hint-share",
          "0",
          "--checkpoint-steps",
          "5",
          "--threads",
          "1",
          "--seed",
          "3"};
}

/// A number of each line of the log, where it stands there.
std::vector<double> logged(const fs::path& output, const std::string& pointer) {
  std::vector<double> found;
  for_each_line(output / "log.jsonl", [&](std::string_view line, std::size_t number) {
    const Json values = parse_json(line, {"log.jsonl", number, ""});
    const Json::json_pointer place(pointer);
    if (values.contains(place)) found.push_back(values[place].get<double>());
  });
  return found;
}

std::vector<double> losses(const fs::path& output) {
  return logged(output, "/loss");
}

/// Two domains of short texts, NAME.train.jsonl and NAME.validation.jsonl.
std::string write_domains(const fs::path& folder) {
  fs::create_directories(folder / "domains");
  for (const char* name : {"books.train", "books.validation", "letters.train", "letters.validation"}) {
    std::string lines;
    for (int i = 0; i < 60; ++i) lines += fmt::format("{{\"text\":\"{} {} of {}.\"}}\n", name, i, (i * 37) % 100);
    write_file_atomically(folder / "domains" / fmt::format("{}.jsonl", name), lines);
  }
  return folder / "domains";
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

/// The number of the newest checkpoint's step; 0: there is none.
int newest_step(const fs::path& output) {
  int newest = 0;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(output / "checkpoints", none)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".safetensors") && name.starts_with("step-"))
      newest = std::max(newest, std::stoi(name.substr(5)));
  }
  return newest;
}

/// Waits for a checkpoint behind a step: steps are then under way.
void wait_for_checkpoint(const fs::path& output, int step) {
  for (int i = 0; i < 30000 && newest_step(output) <= step; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  REQUIRE(newest_step(output) > step);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("one, two and four processes follow one loss curve, and each goes on where another number stopped") {
  const fs::path folder = fresh_folder("processes-curve");
  const std::string data = write_examples(folder);
  constexpr int kSteps = 100;
  REQUIRE(run_command(training(data, folder / "one", kSteps)).status == 0);
  const std::vector<double> expected = losses(folder / "one");
  REQUIRE(expected.size() == kSteps);
  REQUIRE(expected.back() < expected.front() / 2);

  const fs::path output = folder / "parts";
  const Words command = training(data, output, kSteps);
  // Two processes, of which the second one alone is told to stop: both save and stop at one step.
  Command two(launch_local(2) + command + Words{"--recompute"}, folder / "two");
  wait_for_checkpoint(output, 0);
  ::kill(two.child(1), SIGTERM);
  const Outcome stopped = two.wait();
  INFO(stopped.errors);
  REQUIRE(stopped.status == 1);
  CHECK(contains(stopped.errors, "interrupted; the same command goes on from here"));
  const int first_part = newest_step(output);
  REQUIRE(losses(output).size() == static_cast<std::size_t>(first_part));
  REQUIRE(first_part < kSteps);

  // Four go on from there, until the one who started them is told to stop.
  Command four(launch_local(4) + command, folder / "four");
  wait_for_checkpoint(output, first_part);
  ::kill(four.process(), SIGINT);
  const Outcome stopped_again = four.wait();
  INFO(stopped_again.errors);
  REQUIRE(stopped_again.status == 1);
  CHECK(contains(stopped_again.errors, fmt::format("going on from step {}", first_part)));
  REQUIRE(newest_step(output) > first_part);
  REQUIRE(newest_step(output) < kSteps);

  // And one ends it.
  REQUIRE(run_command(command).status == 0);
  CHECK(largest_difference(losses(output), expected) < 1e-4);
  CHECK_FALSE(fs::exists(output / "checkpoints"));
}

TEST_CASE(
    "two processes train a mixture as one does: losses, balance, experts' load, selection bias and the domains' mix") {
  const fs::path folder = fresh_folder("processes-mixture");
  const std::string domains = write_domains(folder);
  const std::string model = folder / "model";
  REQUIRE(run_command({kProgram, "moe", "construct", "--from", "zoo:organism", "--experts", "4", "--select", "2",
                       "--out", model, "--quiet"})
              .status == 0);
  const auto train = [&](const Words& launcher, const std::string& name) {
    const Words command = {kProgram,
                           "moe",
                           "pretrain",
                           "--from",
                           model,
                           "--domains",
                           domains,
                           "--sampling",
                           "dynamic",
                           "--reference",
                           "zoo:organism",
                           "--max-length",
                           "16",
                           "--batch-tokens",
                           "64",
                           "--accumulate",
                           "4",
                           "--steps",
                           "8",
                           "--validation-steps",
                           "3",
                           "--bias-rate",
                           "0.01",
                           "--learning-rate",
                           "0.001",
                           "--dtype",
                           "f32",
                           "--threads",
                           "1",
                           "--seed",
                           "3",
                           "--shards",
                           (folder / name).string() + "-shards",
                           "--out",
                           folder / name};
    const Outcome outcome = run_command(launcher + command);
    INFO(outcome.errors);
    REQUIRE(outcome.status == 0);
  };
  train({}, "one");
  train(launch_local(2), "two");
  for (const auto& [pointer, count] : std::map<std::string, std::size_t>{{"/loss", 8},
                                                                         {"/losses/books", 8},
                                                                         {"/balance_loss", 8},
                                                                         {"/load_variation", 8},
                                                                         {"/mix/books", 3},
                                                                         {"/validation/letters/loss", 3},
                                                                         {"/experts/load/5/3", 3}}) {
    INFO(pointer);
    REQUIRE(logged(folder / "one", pointer).size() == count);
    CHECK(largest_difference(logged(folder / "two", pointer), logged(folder / "one", pointer)) < 1e-4);
  }
  CHECK(logged(folder / "one", "/mix/books").front() != Approx(0.5).margin(1e-6));
}

TEST_CASE("a process that is killed ends the others, which say so in one line") {
  const fs::path folder = fresh_folder("processes-killed");
  const fs::path output = folder / "model";
  Command command(launch_local(2) + training(write_examples(folder), output, 1'000'000) + Words{"--quiet"},
                  folder / "streams");
  wait_for_checkpoint(output, 0);
  ::kill(command.child(1), SIGKILL);
  const Outcome outcome = command.wait();
  CHECK(outcome.status == 128 + SIGKILL);
  CHECK(contains(outcome.errors, "mathtrap: process 1 of 2 is gone or no longer answers"));
  CHECK(contains(outcome.errors, "launch-local: process 1 of 2 was killed by signal 9"));
  CHECK(std::count(outcome.errors.begin(), outcome.errors.end(), '\n') == 2);
  CHECK(newest_step(output) > 0);
}

TEST_CASE("Slurm's variables make processes one training, and the first one alone speaks") {
  const fs::path folder = fresh_folder("processes-slurm");
  const std::string data = write_examples(folder);
  REQUIRE(run_command(training(data, folder / "one", 3)).status == 0);
  // What srun does for a job of two tasks, on this machine.
  write_file_atomically(folder / "srun", R"(#!/usr/bin/env bash
while [[ $1 == --* ]]; do shift; done
for task in 0 1; do
  SLURM_PROCID=$task SLURM_NTASKS=2 SLURM_LOCALID=$task SLURM_NODELIST=localhost SLURM_JOB_ID=$JOB "$@" \
    >"$FOLDER/stdout-$task" 2>"$FOLDER/stderr-$task" &
  tasks+=("$!")
done
for task in "${tasks[@]}"; do wait "$task" || exit; done
)");
  fs::permissions(folder / "srun", fs::perms::owner_all);
  const Outcome outcome =
      run_command(Words{script("launch-slurm")} + training(data, folder / "two", 3) + Words{"--json"},
                  {{"PATH", fmt::format("{}:{}", folder.string(), std::getenv("PATH"))},
                   {"FOLDER", folder.string()},
                   {"JOB", std::to_string(::getpid())}});
  INFO(read_file(folder / "stderr-0"));
  INFO(read_file(folder / "stderr-1"));
  REQUIRE(outcome.status == 0);
  CHECK(parse_json(read_file(folder / "stdout-0"), {})["steps"] == 3);
  CHECK(read_file(folder / "stdout-1").empty());
  CHECK(read_file(folder / "stderr-1").empty());
  CHECK(largest_difference(losses(folder / "two"), losses(folder / "one")) < 1e-4);
}

TEST_CASE("processes that cannot train together say why, once, and end with status 2") {
  const fs::path folder = fresh_folder("processes-wrong");
  const std::string data = write_examples(folder);
  const Words command = training(data, folder / "model", 3);
  const auto errors_of = [](const Words& words, const std::map<std::string, std::string>& variables = {}) {
    Outcome outcome = run_command(words, variables);
    INFO(outcome.errors);
    CHECK(outcome.status == 2);
    CHECK(std::count(outcome.errors.begin(), outcome.errors.end(), '\n') == 1);
    return outcome.errors;
  };
  CHECK(contains(errors_of(launch_local(5) + command),
                 "--accumulate 4: fewer batches in a step than the 5 processes that share them"));
  CHECK(contains(errors_of(launch_local(3) + command + Words{"--step-documents", "2"}),
                 "--step-documents 2: fewer documents in a step than the 3 processes"));
  CHECK(contains(
      errors_of(launch_local(2) + Words{"/bin/bash", "-c", "exec \"$@\" --learning-rate 0.$((RANK + 1))", "-"} +
                Words(command.begin(), std::find(command.begin(), command.end(), "--learning-rate")) +
                Words(std::find(command.begin(), command.end(), "0.01") + 1, command.end()) + Words{"--quiet"}),
      "do not have the same arguments, model and data"));
  CHECK(contains(errors_of(command, {{"RANK", "2"}, {"WORLD_SIZE", "2"}}), "RANK=2 in the environment"));
  CHECK(contains(errors_of(command, {{"RANK", "0"}, {"WORLD_SIZE", "2"}}), "MASTER_ADDR is not"));
  CHECK_FALSE(fs::exists(folder / "model"));
}

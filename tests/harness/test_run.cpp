// Whole runs with a scripted model: what is stored, and what happens when a run is killed, interrupted or mixed up.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

#include <cmath>
#include <csignal>
#include <fstream>

#include "harness/evaluation.h"
#include "support/error.h"
#include "support/interrupt.h"
#include "support/log.h"
#include "support/random.h"
#include "tests/catch.h"
#include "tests/harness/records.h"
#include "tests/harness/scripted_model.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

constexpr int kRecords = 12;
constexpr std::size_t kReplies = std::size_t{kRecords} * 3 * 2;

/// Solves every original but those with 3, sees through traps only when hinted, says "True." to every concept.
Completion reply_to(const GenerationRequest& request) {
  const bool hinted = request.prompt.find("may have no answer") != std::string::npos;
  if (request.prompt.find("even?") != std::string::npos) return finished_reply(" True.");
  if (request.prompt.find("some?") != std::string::npos) {
    return finished_reply(hinted ? " This has no answer: it is not said how much is added." : " The answer is 5.");
  }
  const std::size_t at = request.prompt.find("What is ") + 8;
  const int n = std::stoi(request.prompt.substr(at));
  if (n == 3) return {" The answer is \xff", FinishReason::length, 10, 5};
  return finished_reply(fmt::format(" {} + 1 = {}. The answer is {}.", n, n + 1, n + 1));
}

PreparedEvaluation prepared(std::uint64_t seed = 0) {
  EvaluationOptions options;
  options.dataset = sum_dataset(kRecords).string();
  options.seed = seed;
  return prepare_evaluation(options, "1.2.3");
}

/// The run in `folder`, to its end.
StoredRun run_to_end(const fs::path& folder) {
  set_quiet(true);
  ScriptedModel model(reply_to);
  return run_evaluation(prepared(), model, folder, {}).value();
}

/// In a process of its own: the run in `folder`, until the model has answered `replies` times and `signal_number` is
/// raised.
int run_until(const fs::path& folder, std::size_t replies, int signal_number) {
  const PreparedEvaluation evaluation = prepared();
  const pid_t child = ::fork();
  if (child == 0) {
    set_quiet(true);
    install_interrupt_handler();
    std::size_t answered = 0;
    ScriptedModel model([&](const GenerationRequest& request) {
      if (answered++ == replies) ::raise(signal_number);
      return reply_to(request);
    });
    const bool complete = run_evaluation(evaluation, model, folder, {}).has_value();
    ::_exit(complete ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

std::string content(const fs::path& folder, const char* file) {
  return read_file(folder / file);
}

const Group& group_of(const Results& results, Arm arm, const std::string& intervention) {
  for (const Group& group : results.groups) {
    if (group.arm == arm && group.intervention == intervention && !group.trap_type) return group;
  }
  throw Error("no such group");
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a run counts what the model did") {
  const fs::path folder = fresh_path("run");
  const StoredRun run = run_to_end(folder);
  CHECK(run.samples.size() == kReplies);
  const Group& original = group_of(run.results, Arm::original, "none");
  CHECK(original.accuracy.n == 12);
  CHECK(original.accuracy.successes == 11);
  CHECK(original.verdicts.at(Verdict::cut_off) == 1);
  CHECK(group_of(run.results, Arm::trap, "none").accuracy.successes == 0);
  CHECK(group_of(run.results, Arm::trap, "none").verdicts.at(Verdict::answered) == 12);
  CHECK(group_of(run.results, Arm::trap, "hint").accuracy.successes == 12);
  CHECK(group_of(run.results, Arm::conceptual, "none").accuracy.successes == 6);
  CHECK(run.results.ratios.at(0).ratio->value == 0);
  CHECK(run.results.ratios.at(1).ratio->value == Approx(12.0 / 11));
}

TEST_CASE("results.json has the shape that scripts rely on, and adds up from the samples") {
  const fs::path folder = fresh_path("run");
  run_to_end(folder);
  const Json results = parse_json(content(folder, "results.json"), {});
  CHECK(results["model"] == "scripted");
  CHECK(results["dataset"].is_string());
  std::map<std::string, int> correct;
  std::map<std::string, int> counted;
  for_each_line(folder / "samples.jsonl", [&](std::string_view line, std::size_t) {
    const Json sample = parse_json(line, {});
    for (const std::string& type : {std::string("null"), sample["trap_type"].dump()}) {
      const std::string key = sample["arm"].dump() + sample["intervention"].dump() + type;
      correct[key] += static_cast<int>(sample["correct"].get<bool>());
      ++counted[key];
    }
  });
  CHECK(results["groups"].size() == counted.size());
  for (const Json& group : results["groups"]) {
    const std::string key = group["arm"].dump() + group["intervention"].dump() + group["trap_type"].dump();
    CHECK(group["n"] == counted[key]);
    CHECK(group["correct"] == correct[key]);
    CHECK(group["accuracy"].get<double>() == Approx(double(correct[key]) / counted[key]));
    CHECK(group["ci95"].size() == 2);
    CHECK(group["unscored"] == 0);
    CHECK(group.contains("cut_off"));
  }
  CHECK(results["ratio"].size() == 2);
  CHECK(results["ratio"][0]["intervention"] == "none");
  CHECK(results["ratio"][0]["ci95"].size() == 2);
}

TEST_CASE("samples lie in the order of the plan, whatever order they finished in") {
  const fs::path folder = fresh_path("run");
  const StoredRun run = run_to_end(folder);
  const Plan plan = prepared().plan;
  REQUIRE(run.samples.size() == plan.questions.size());
  for (std::size_t i = 0; i < run.samples.size(); ++i) CHECK(run.samples[i].id == plan.questions[i].id);
  CHECK(run.run["mathtrap"] == "1.2.3");
  CHECK(run.run["dataset"]["records"] == kRecords);
}

// Complaint 5: a crash that loses the finished work.
TEST_CASE("complaint 5: a run killed at twenty random moments ends with the same bytes, and asks nothing twice") {
  const fs::path whole = fresh_path("whole");
  run_to_end(whole);
  std::vector<std::size_t> moments = {0, 1, kReplies - 1};
  Random random(5);
  while (moments.size() < 20) moments.push_back(static_cast<std::size_t>(random.uniform_int(2, kReplies - 2)));
  for (const std::size_t replies : moments) {
    const fs::path folder = fresh_path("killed");
    const int status = run_until(folder, replies, SIGKILL);
    REQUIRE(WIFSIGNALED(status));
    // What the kill may tear: the last line, and a file that was being written.
    std::ofstream(folder / "samples.jsonl", std::ios::app) << R"({"id":"sum-1/original/none","arm":"orig)";
    std::ofstream(folder / "results.json.123.partial") << "{";
    set_quiet(true);
    ScriptedModel model(reply_to);
    REQUIRE(run_evaluation(prepared(), model, folder, {}));
    CHECK(model.asked == kReplies - replies);
    for (const char* file : {"results.json", "samples.jsonl", "run.json"})
      CHECK(content(folder, file) == content(whole, file));
    CHECK_FALSE(fs::exists(folder / "results.json.123.partial"));
  }
}

TEST_CASE("an interrupted run keeps its replies, and goes on") {
  const fs::path whole = fresh_path("whole");
  run_to_end(whole);
  const fs::path folder = fresh_path("interrupted");
  const int status = run_until(folder, 20, SIGINT);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
  ScriptedModel model(reply_to);
  REQUIRE(run_evaluation(prepared(), model, folder, {}));
  CHECK(model.asked == kReplies - 21);
  CHECK(content(folder, "results.json") == content(whole, "results.json"));
}

TEST_CASE("a finished run is not asked again") {
  const fs::path folder = fresh_path("run");
  run_to_end(folder);
  const std::string before = content(folder, "samples.jsonl");
  ScriptedModel model(reply_to);
  REQUIRE(run_evaluation(prepared(), model, folder, Json{{"threads", 7}}));
  CHECK(model.asked == 0);
  CHECK(content(folder, "samples.jsonl") == before);
}

TEST_CASE("the folder of another run is refused, with what differs") {
  const fs::path folder = fresh_path("run");
  run_to_end(folder);
  ScriptedModel other(reply_to, "def");
  CHECK(contains(error_of([&] { run_evaluation(prepared(), other, folder, {}); }), "what differs: model.sha256."));
  ScriptedModel same(reply_to);
  const std::string differs = error_of([&] { run_evaluation(prepared(5), same, folder, {}); });
  CHECK(contains(differs, "plan.sha256, seed"));
}

TEST_CASE("options out of range are errors before anything is read") {
  const auto error_with = [](const std::function<void(GenerationOptions&)>& change) {
    EvaluationOptions options;
    options.dataset = "/nowhere";
    change(options.generation);
    return error_of([&] { prepare_evaluation(options, "1"); });
  };
  CHECK(contains(error_with([](auto& options) { options.temperature = std::nan(""); }), "--temperature"));
  CHECK(contains(error_with([](auto& options) { options.top_p = 0; }), "--top-p"));
  CHECK(contains(error_with([](auto& options) { options.min_p = 1; }), "--min-p"));
  CHECK(contains(error_with([](auto& options) { options.top_k = -1; }), "--top-k"));
  CHECK(contains(error_with([](auto& options) { options.max_new_tokens = 0; }), "--max-new-tokens"));
  CHECK(contains(error_with([](auto&) {}), "/nowhere"));
}

TEST_CASE("a folder with other files is refused") {
  const fs::path folder = fresh_path("documents");
  fs::create_directories(folder);
  write_file_atomically(folder / "thesis.txt", "precious");
  ScriptedModel model(reply_to);
  CHECK(contains(error_of([&] { run_evaluation(prepared(), model, folder, {}); }), "holds files and no run.json"));
  CHECK(content(folder, "thesis.txt") == "precious");
}

TEST_CASE("broken samples in the middle, and samples of no question, are errors with their place") {
  const fs::path folder = fresh_path("run");
  run_to_end(folder);
  const std::string good = content(folder, "samples.jsonl");
  ScriptedModel model(reply_to);
  write_file_atomically(folder / "samples.jsonl", "{\"id\":\n" + good);
  CHECK(contains(error_of([&] { run_evaluation(prepared(), model, folder, {}); }), "samples.jsonl:1: "));
  std::string renamed = good;
  renamed.replace(renamed.find("sum-1/"), 6, "sum-x/");
  write_file_atomically(folder / "samples.jsonl", renamed);
  CHECK(contains(error_of([&] { run_evaluation(prepared(), model, folder, {}); }), "no question of this run"));
}

TEST_CASE("two processes do not write to one run") {
  const fs::path folder = fresh_path("run");
  run_to_end(folder);
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY);
  REQUIRE(::flock(descriptor, LOCK_EX | LOCK_NB) == 0);
  CHECK(contains(error_of([&] { run_to_end(folder); }), "another mathtrap is writing"));
  ::close(descriptor);
}

TEST_CASE("the hash of a model counts the files that decide its replies") {
  const fs::path folder = fresh_path("model");
  fs::create_directories(folder);
  write_file_atomically(folder / "config.json", "{}");
  write_file_atomically(folder / "model.safetensors", "weights");
  const std::string base = model_sha256(folder.string());
  write_file_atomically(folder / "README.md", "a card");
  CHECK(model_sha256(folder.string()) == base);
  write_file_atomically(folder / "model.safetensors", "other weights");
  CHECK(model_sha256(folder.string()) != base);
  // A single file hashes to the same under any name.
  write_file_atomically(folder / "a.gguf", "weights");
  write_file_atomically(folder / "b.gguf", "weights");
  CHECK(model_sha256((folder / "a.gguf").string()) == model_sha256((folder / "b.gguf").string()));
}

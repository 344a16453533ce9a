// mathtrap eval with a model behind a server, as a user runs it: the README's examples, and what goes wrong.
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"
#include "tests/harness/records.h"
#include "tests/harness/test_server.h"
#include "tests/tiny_filesystem.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

/// Adds rightly, and answers traps and conceptual questions as if nothing were wrong.
void answer(const std::string& prompt, int, httplib::Response& response) {
  std::string text = "True.";
  if (prompt.find("some?") != std::string::npos) text = "The answer is 7.";
  if (const std::size_t at = prompt.find("What is "); at != std::string::npos && prompt.find("+ 1?") != prompt.npos) {
    text = fmt::format("The answer is {}.", std::stoi(prompt.substr(at + 8)) + 1);
  }
  response.set_content(chat_reply(text), "application/json");
}

std::vector<std::string> evaluation(const std::string& model, const fs::path& log_dir,
                                    const std::vector<std::string>& more = {}) {
  static const std::string dataset = sum_dataset(6).string();
  std::vector<std::string> arguments = {
      "eval",           "--model", model,           "--dataset", dataset,           "--log-dir",
      log_dir.string(), "--quiet", "--max-retries", "0",         "--interventions", "none"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

Json groups_of(const Outcome& outcome) {
  INFO(outcome.errors);
  REQUIRE(outcome.status == 0);
  return parse_json(outcome.output, {})["groups"];
}

/// The line of a command that ends with status 2.
std::string refusal_of(const std::vector<std::string>& arguments) {
  const Outcome outcome = run(arguments);
  INFO(outcome.errors);
  CHECK(outcome.status == 2);
  CHECK(outcome.output.empty());
  CHECK(std::count(outcome.errors.begin(), outcome.errors.end(), '\n') == 1);
  return outcome.errors;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("eval asks a server, and its replies replayed give the same results") {
  TestServer server(answer);
  const fs::path folder = fresh_folder("served");
  const Json groups = groups_of(run(evaluation(server.name(), folder / "run", {"--json"})));
  CHECK(server.total == 18);
  CHECK(groups[0]["arm"] == "original");
  CHECK(groups[0]["n"] == 6);
  CHECK(groups[0]["correct"] == 6);
  CHECK(fs::exists(folder / "run" / "report.html"));
  const std::string replay = fmt::format("replay:{}", (folder / "run" / "samples.jsonl").string());
  CHECK(groups_of(run(evaluation(replay, folder / "replayed", {"--json"}))) == groups);
  CHECK(server.total == 18);
}

TEST_CASE("replies that --predict-only stores get the verdicts of a whole run from judge") {
  TestServer server(answer);
  const fs::path folder = fresh_folder("predicted");
  const Outcome predicted = run(evaluation(server.name(), folder / "run", {"--predict-only", "--json"}));
  REQUIRE(predicted.status == 0);
  const std::string samples = json_string(parse_json(predicted.output, {}), "samples", {});
  const Outcome judged = run({"judge", samples, "--json", "--quiet"});
  INFO(judged.errors);
  REQUIRE(judged.status == 0);
  REQUIRE(run(evaluation(server.name(), folder / "whole")).status == 0);
  const Json verdicts = parse_json(judged.output, {})["verdicts"];
  std::size_t same = 0;
  for_each_line(folder / "whole" / "samples.jsonl", [&](std::string_view line, std::size_t number) {
    const Json sample = parse_json(line, {});
    same += static_cast<std::size_t>(sample["id"] == verdicts.at(number - 1)["id"] &&
                                     sample["verdict"] == verdicts.at(number - 1)["verdict"]);
  });
  CHECK(verdicts.size() == 18);
  CHECK(same == 18);
}

TEST_CASE("a server that refuses is one line and status 2, without the key") {
  ::setenv("OPENAI_API_KEY", "sk-very-secret-0123456789", 1);
  TestServer server([](const std::string&, int, httplib::Response& response) {
    response.status = 401;
    response.set_content(R"({"error":{"message":"wrong key sk-very-secret-0123456789"}})", "application/json");
  });
  const fs::path folder = fresh_folder("refused");
  const std::string refused = refusal_of(evaluation(server.name(), folder / "a"));
  CHECK(contains(refused, "the server refuses access (HTTP status 401: wrong key [key])"));
  ::unsetenv("OPENAI_API_KEY");
  CHECK(contains(refusal_of(evaluation("openai:http://127.0.0.1:1/v1#m", folder / "b")), "no connection"));
  CHECK(contains(refusal_of(evaluation("openai:http://127.0.0.1:1/v1", folder / "c")), "openai:URL#NAME is wanted"));
  CHECK(contains(refusal_of(evaluation("replay:/no/such/file.jsonl", folder / "d")), "/no/such/file.jsonl"));
}

TEST_CASE("of two runs on one folder the second is refused, and the first ends well") {
  std::atomic<bool> go_on{false};
  TestServer server([&](const std::string& prompt, int earlier, httplib::Response& response) {
    while (!go_on) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    answer(prompt, earlier, response);
  });
  const fs::path folder = fresh_folder("two");
  const fs::path streams = fresh_folder("two-streams");
  const pid_t first = start(evaluation(server.name(), folder / "run"), streams);
  while (server.total == 0 && ::kill(first, 0) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(contains(refusal_of(evaluation(server.name(), folder / "run")), "another mathtrap is writing to this run"));
  go_on = true;
  int status = 0;
  ::waitpid(first, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(server.total == 18);
}

TEST_CASE("a full disk is one line and status 2, and the run goes on when there is room") {
  if (!can_mount_tiny_filesystem()) return;
  TestServer server(answer);
  const fs::path folder = fresh_folder("full");
  REQUIRE(run(evaluation(server.name(), folder / "whole")).status == 0);
  TinyFilesystem disk(folder / "disk", 12288);
  const fs::path log_dir = folder / "disk" / "run";
  const std::string full = refusal_of(evaluation(server.name(), log_dir));
  CHECK(contains(full, "samples.jsonl: cannot write: No space left on device"));
  CHECK(contains(full, fmt::format("--log-dir {} goes on", log_dir.string())));
  disk.resize(std::size_t{64} << 20);
  REQUIRE(run(evaluation(server.name(), log_dir)).status == 0);
  CHECK(read_file(log_dir / "results.json") == read_file(folder / "whole" / "results.json"));
}

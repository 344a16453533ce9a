// Runs that are stopped from outside, by kills at any time and by full disks: what had been answered is kept, and the
// end is the same.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <map>
#include <thread>

#include "harness/evaluation.h"
#include "harness/openai_model.h"
#include "support/error.h"
#include "support/log.h"
#include "support/random.h"
#include "tests/catch.h"
#include "tests/harness/records.h"
#include "tests/harness/scripted_model.h"
#include "tests/harness/test_server.h"
#include "tests/tiny_filesystem.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

constexpr int kKills = 20;
constexpr int kMostReplies = 6;  // of the server to a process that is going to be killed
constexpr std::size_t kPage = 4096;
constexpr std::size_t kRoom = std::size_t{64} << 20;

PreparedEvaluation prepared(const std::vector<std::string>& interventions, int records, const fs::path& cache = {}) {
  EvaluationOptions options;
  options.dataset = sum_dataset(records).string();
  options.interventions = interventions;
  options.cache = cache.string();
  return prepare_evaluation(options, "1.2.3");
}

std::string reply_to(const std::string& prompt) {
  return prompt.find("some?") != std::string::npos ? "It is not said how much." : "The answer is 3.";
}

Completion scripted(const GenerationRequest& request) {
  return finished_reply(reply_to(request.prompt));
}

void check_same_run(const fs::path& folder, const fs::path& whole) {
  for (const char* file : {"results.json", "samples.jsonl", "run.json"}) {
    CHECK(read_file(folder / file) == read_file(whole / file));
  }
  CHECK(std::distance(fs::directory_iterator(folder), {}) == 3);
}

/// Another model, and a file with a line for each completion that the run has taken over.
class RecordedModel final : public ModelUnderTest {
 public:
  RecordedModel(ModelUnderTest& model, const fs::path& file)
      : model_(model), descriptor_(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {}
  ~RecordedModel() override { ::close(descriptor_); }
  RecordedModel(const RecordedModel&) = delete;
  RecordedModel& operator=(const RecordedModel&) = delete;

  const Json& description() const override { return model_.description(); }

  void answer(std::span<const GenerationRequest> requests, const Engine::OnCompletion& on_completion) override {
    model_.answer(requests, [&](std::size_t index, const Completion& completion) {
      const bool go_on = on_completion(index, completion);
      const std::string line = Json(requests[index].prompt).dump() + "\n";
      return ::write(descriptor_, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && go_on;
    });
  }

 private:
  ModelUnderTest& model_;
  int descriptor_;
};

/// The rules, asked for eight replies at a time; at the `fatal`-th time the process is killed.
class BatchJudge final : public Judge {
 public:
  explicit BatchJudge(int fatal = 0) : rules_(open_judge("rules", {})), left_(fatal) {}

  const Json& description() const override { return rules_->description(); }
  std::size_t batch() const override { return 8; }
  std::vector<std::optional<Judgement>> judge(std::span<const ReplyToJudge> replies) override {
    if (!replies.empty() && --left_ == 0) ::raise(SIGKILL);
    return rules_->judge(replies);
  }

 private:
  std::unique_ptr<Judge> rules_;
  int left_;
};

/// A run on a disk that may be full at some size: stops with one line, and goes on when there is room. All that is
/// asked twice is the reply that the disk had no room for. Returns whether this size was too small. `requests`: of a
/// whole run.
bool stops_and_goes_on(const PreparedEvaluation& evaluation, std::size_t requests, TinyFilesystem& disk,
                       const fs::path& folder, const fs::path& whole) {
  ScriptedModel first(scripted);
  bool full = false;
  try {
    run_evaluation(evaluation, first, folder, {});
  } catch (const Error& error) {
    full = true;
    const std::string message = error.what();
    CAPTURE(message);
    CHECK((message.find("No space left on device") != std::string::npos ||
           message.find("is there room on its disk?") != std::string::npos));
    CHECK(message.find('\n') == std::string::npos);
  }
  disk.resize(kRoom);
  ScriptedModel second(scripted);
  REQUIRE(run_evaluation(evaluation, second, folder, {}));
  CHECK(first.asked + second.asked <= requests + static_cast<std::size_t>(full));
  check_same_run(folder, whole);
  return full;
}

/// Twenty kills of one run at random times, and its end: the same bytes as those of a run that nobody killed, and no
/// reply that was taken over is asked for again. All prompts must differ.
void kill_twenty_times(const PreparedEvaluation& evaluation) {
  std::atomic<int> answered{0};
  std::atomic<int> allowed{1 << 30};
  std::atomic<int> process{0};
  std::atomic<bool> over{false};
  TestServer server([&](const std::string& prompt, int, httplib::Response& response) {
    const int mine = process;
    while (answered >= allowed && process == mine && !over) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ++answered;
    response.set_content(chat_reply(reply_to(prompt)), "application/json");
  });
  OpenAiOptions options;
  options.max_connections = 3;
  const auto model = open_openai_model(server.name(), options);
  const fs::path whole = fresh_path("whole-served");
  REQUIRE(run_evaluation(evaluation, *model, whole, {}));
  const int requests = server.total;
  REQUIRE(requests > kKills * (kMostReplies + options.max_connections - 1));

  const fs::path folder = fresh_path("killed-served");
  const fs::path taken = fresh_path("taken.jsonl");
  Random random(7);
  for (int kill = 0; kill < kKills; ++kill) {
    ++process;
    allowed = answered + static_cast<int>(random.uniform_int(0, kMostReplies));
    const pid_t child = ::fork();
    if (child == 0) {
      RecordedModel recorded(*model, taken);
      run_evaluation(evaluation, recorded, folder, {});
      ::_exit(0);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random.uniform_int(0, 40000)));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
  }
  ++process;
  allowed = 1 << 30;
  {
    RecordedModel recorded(*model, taken);
    REQUIRE(run_evaluation(evaluation, recorded, folder, {}));
  }
  over = true;
  check_same_run(folder, whole);
  std::map<std::string, int> times;
  for_each_line(taken, [&](std::string_view line, std::size_t) { ++times[std::string(line)]; });
  CHECK(times.size() > static_cast<std::size_t>(requests - kKills * options.max_connections));
  for (const auto& [prompt, count] : times) {
    CAPTURE(prompt);
    CHECK(count == 1);
  }
}

}  // namespace

TEST_CASE("twenty kills at random times end with the same bytes, and no reply that was taken over is asked for again") {
  set_quiet(true);
  // Three replies a record, without a cache; and five, as two have second turns, with the run's own cache.
  kill_twenty_times(prepared({"hint"}, 60));
  kill_twenty_times(prepared({"check"}, 36));
}

TEST_CASE("a kill while a judge thinks loses none of the replies that wait for it") {
  set_quiet(true);
  const PreparedEvaluation evaluation = prepared({"none", "hint"}, 12);
  const fs::path whole = fresh_path("whole-judged");
  {
    ScriptedModel model(scripted);
    BatchJudge judge;
    REQUIRE(run_evaluation(evaluation, model, judge, whole, {}));
  }
  const fs::path folder = fresh_path("killed-judge");
  const pid_t child = ::fork();
  if (child == 0) {
    ScriptedModel model(scripted);
    BatchJudge judge(3);
    run_evaluation(evaluation, model, judge, folder, {});
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  ScriptedModel model(scripted);
  BatchJudge judge;
  REQUIRE(run_evaluation(evaluation, model, judge, folder, {}));
  CHECK(model.asked == evaluation.plan.questions.size() - 24);
  check_same_run(folder, whole);
}

TEST_CASE("a run on a full disk stops with one line, whatever it was writing, and goes on when there is room") {
  if (!can_mount_tiny_filesystem()) return;
  set_quiet(true);
  for (const std::vector<std::string>& interventions :
       {std::vector<std::string>{"none"}, std::vector<std::string>{"none", "check"}}) {
    const PreparedEvaluation evaluation = prepared(interventions, 10);
    const fs::path whole = fresh_path("whole-disk");
    ScriptedModel model(scripted);
    REQUIRE(run_evaluation(evaluation, model, whole, {}));
    int too_small = 0;
    bool full = true;
    for (std::size_t pages = 1; full && pages < 2000; pages += pages < 40 ? 1 : 10) {
      CAPTURE(pages);
      const fs::path mounted = fresh_path("disk");
      TinyFilesystem disk(mounted, pages * kPage);
      full = stops_and_goes_on(evaluation, model.asked, disk, mounted / "run", whole);
      too_small += static_cast<int>(full);
    }
    CHECK_FALSE(full);
    CHECK(too_small >= 5);
  }
}

TEST_CASE("a full disk under the cache of replies stops a run with one line, and it goes on when there is room") {
  if (!can_mount_tiny_filesystem()) return;
  set_quiet(true);
  const fs::path mounted = fresh_path("cache-disk");
  const PreparedEvaluation evaluation = prepared({"none"}, 10, mounted / "cache.sqlite");
  const fs::path whole = fresh_path("whole-cache");
  ScriptedModel model(scripted);
  {
    const TinyFilesystem disk(mounted, kRoom);
    REQUIRE(run_evaluation(evaluation, model, whole, {}));
  }
  int too_small = 0;
  bool full = true;
  for (std::size_t pages = 1; full && pages < 2000; pages += 5) {
    CAPTURE(pages);
    TinyFilesystem disk(mounted, pages * kPage);
    const fs::path folder = fresh_path("run-cache");
    full = stops_and_goes_on(evaluation, model.asked, disk, folder, whole);
    too_small += static_cast<int>(full);
  }
  CHECK_FALSE(full);
  CHECK(too_small >= 3);
}

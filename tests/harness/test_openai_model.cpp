// A model behind a server that misbehaves: what is repeated, what is counted, what ends the run, and where the key
// goes.
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "harness/evaluation.h"
#include "harness/http_client.h"
#include "harness/openai_model.h"
#include "support/error.h"
#include "support/interrupt.h"
#include "support/log.h"
#include "tests/catch.h"
#include "tests/harness/records.h"
#include "tests/harness/test_server.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

const std::string kKey = "sk-very-secret-0123456789";

/// Waits are recorded, not waited.
struct Waits {
  std::mutex mutex;
  std::vector<double> seconds;
};

OpenAiOptions test_options(Waits* waits = nullptr) {
  set_quiet(true);
  OpenAiOptions options;
  options.wait = [waits](double seconds) {
    if (waits == nullptr) return;
    const std::lock_guard lock(waits->mutex);
    waits->seconds.push_back(seconds);
  };
  return options;
}

std::vector<GenerationRequest> requests_of(int count) {
  std::vector<GenerationRequest> requests;
  for (int i = 0; i < count; ++i) requests.push_back({fmt::format("question {}", i), {}});
  return requests;
}

/// All completions by index; fails when one comes twice.
std::map<std::size_t, Completion> answers(const std::string& name, const OpenAiOptions& options,
                                          const std::vector<GenerationRequest>& requests) {
  std::map<std::size_t, Completion> completions;
  const auto model = open_openai_model(name, options);
  const auto caller = std::this_thread::get_id();
  model->answer(requests, [&](std::size_t index, const Completion& completion) {
    CHECK(std::this_thread::get_id() == caller);
    CHECK(completions.emplace(index, completion).second);
    return true;
  });
  return completions;
}

Completion only_answer(const TestServer& server, const OpenAiOptions& options) {
  return answers(server.name(), options, requests_of(1)).at(0);
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The key in the environment, while it lives.
struct KeyInEnvironment {
  KeyInEnvironment() { ::setenv("OPENAI_API_KEY", kKey.c_str(), 1); }
  ~KeyInEnvironment() { ::unsetenv("OPENAI_API_KEY"); }
};

void answer_well(const std::string& prompt, int, httplib::Response& response) {
  response.set_content(chat_reply("to " + prompt), "application/json");
}

PreparedEvaluation prepared(bool predict_only = false) {
  EvaluationOptions options;
  options.dataset = sum_dataset(4).string();
  options.interventions = {"none"};
  options.predict_only = predict_only;
  return prepare_evaluation(options, "1.2.3");
}

std::string every_file(const fs::path& folder) {
  std::string text;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) text += read_file(entry.path());
  return text;
}

}  // namespace

TEST_CASE("an OpenAI server is asked as its interface says, many requests at once, each once") {
  TestServer server(answer_well);
  std::vector<GenerationRequest> requests = requests_of(40);
  requests[0].options = {17, 0.5, 0, 0.9, 0, std::uint64_t{1} << 40 | 5, {"END"}};
  const auto completions = answers(server.name(), test_options(), requests);
  REQUIRE(completions.size() == 40);
  CHECK(completions.at(31).text == "to question 31");
  CHECK(completions.at(31).prompt_tokens == 7);
  CHECK(completions.at(31).completion_tokens == 3);
  CHECK(server.total == 40);
  CHECK(server.last_path == "/v1/chat/completions");
  CHECK(server.last_authorization.empty());
  requests.resize(1);
  answers(server.name(), test_options(), requests);
  CHECK(server.last_body == Json::parse(R"({"model":"tiny","messages":[{"role":"user","content":"question 0"}],
    "max_tokens":17,"temperature":0.5,"top_p":0.9,"seed":5,"stop":["END"],"stream":false})"));
}

TEST_CASE("plain completions are asked for, and a URL without a path means /v1") {
  TestServer server([](const std::string&, int, httplib::Response& response) {
    response.set_content(R"({"choices":[{"text":" 4 END 5","finish_reason":"length"}]})", "application/json");
  });
  OpenAiOptions options = test_options();
  options.api = OpenAiApi::completions;
  std::vector<GenerationRequest> requests = requests_of(1);
  requests[0].options.stop = {"END"};
  const auto completions = answers(fmt::format("openai:{}#tiny", server.url()), options, requests);
  CHECK(completions.at(0).text == " 4 ");
  CHECK(completions.at(0).finish_reason == FinishReason::length);
  CHECK(server.last_path == "/v1/completions");
  CHECK(server.last_body["prompt"] == "question 0");
}

TEST_CASE("what fails in passing is sent again, and nothing is counted twice") {
  const std::vector<std::function<void(httplib::Response&)>> troubles = {
      [](auto& response) { response.status = 429; },
      [](auto& response) { response.status = 500; },
      [](auto& response) { response.status = 408; },
      [](auto& response) { response.set_content("{\"choices\":[", "application/json"); },
      [](auto& response) { response.set_content("<html>busy</html>", "text/html"); },
      [](auto& response) { response.set_content(R"({"choices":[]})", "application/json"); },
      [](auto& response) {
        response.set_content(R"({"choices":[{"message":{"content":7},"finish_reason":"stop"}]})", "");
      },
      [](auto& response) { response.set_content(chat_reply(std::string(17 << 20, 'x')), "application/json"); },
      // The connection closes in the midst of the body.
      [](auto& response) {
        response.set_content_provider(1000, "application/json", [](std::size_t, std::size_t, httplib::DataSink& sink) {
          sink.write("{\"choices\"", 10);
          return false;
        });
      },
  };
  for (std::size_t i = 0; i < troubles.size(); ++i) {
    CAPTURE(i);
    TestServer server([&](const std::string& prompt, int earlier, httplib::Response& response) {
      if (earlier < 2) return troubles[i](response);
      answer_well(prompt, earlier, response);
    });
    const auto completions = answers(server.name(), test_options(), requests_of(2));
    CHECK(completions.at(0).text == "to question 0");
    CHECK(completions.at(1).text == "to question 1");
    CHECK(server.total == 6);
  }
}

TEST_CASE("a request is given up after its retries, and says why") {
  TestServer server([](const std::string&, int, httplib::Response& response) { response.status = 503; });
  OpenAiOptions options = test_options();
  options.retries.max_retries = 3;
  const Completion completion = only_answer(server, options);
  CHECK(completion.finish_reason == FinishReason::error);
  CHECK(completion.error == "given up after 4 requests; the last: HTTP status 503");
  CHECK(server.total == 4);
}

TEST_CASE("a server that does not answer in time is asked again") {
  std::atomic<TestServer*> self{nullptr};
  TestServer server([&](const std::string& prompt, int earlier, httplib::Response& response) {
    if (earlier == 0) return self.load()->hang();
    answer_well(prompt, earlier, response);
  });
  self = &server;
  OpenAiOptions options = test_options();
  options.request_timeout = 0.2;
  CHECK(only_answer(server, options).text == "to question 0");
  CHECK(server.total == 2);
}

TEST_CASE("Retry-After is honoured, in seconds and as a date, within bounds") {
  CHECK(parse_retry_after("7", 0) == 7);
  CHECK(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111770) == 7);
  CHECK(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111778) == 0);
  for (const char* text : {"", "soon", "-1", "1e9", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET"}) {
    CHECK_FALSE(parse_retry_after(text, 0).has_value());
  }
  const RetryPolicy policy;
  CHECK(retry_wait(policy, 0, 1, 1e9) == 300);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double whole = std::min(60.0, std::ldexp(1.0, attempt));
    const double wait = retry_wait(policy, attempt, 1, std::nullopt);
    CHECK(wait >= whole / 2);
    CHECK(wait <= whole);
    CHECK(wait == retry_wait(policy, attempt, 1, std::nullopt));
    CHECK(wait != retry_wait(policy, attempt, 2, std::nullopt));
  }
  TestServer server([](const std::string& prompt, int earlier, httplib::Response& response) {
    if (earlier != 0) return answer_well(prompt, earlier, response);
    response.status = 429;
    response.set_header("Retry-After", "42");
  });
  Waits waits;
  only_answer(server, test_options(&waits));
  CHECK(waits.seconds == std::vector<double>{42});
}

TEST_CASE("401 and redirects stop the run with one line, and the key goes nowhere else") {
  const KeyInEnvironment environment;
  TestServer elsewhere(answer_well);
  TestServer server([&](const std::string& prompt, int, httplib::Response& response) {
    if (contains(prompt, "0")) {
      response.status = 401;
      response.set_content(R"({"error":{"message":"wrong key )" + kKey + R"("}})", "application/json");
    } else {
      response.set_redirect(elsewhere.url() + "/v1/chat/completions", 307);
    }
  });
  const std::string refused = error_of([&] { only_answer(server, test_options()); });
  CHECK(contains(refused, "401"));
  CHECK(contains(refused, "[key]"));
  CHECK_FALSE(contains(refused, kKey));
  CHECK(server.last_authorization == "Bearer " + kKey);
  CHECK(server.total == 1);
  std::vector<GenerationRequest> requests = {{"question 1", {}}};
  CHECK(contains(error_of([&] { answers(server.name(), test_options(), requests); }), "redirect"));
  CHECK(elsewhere.total == 0);
}

TEST_CASE("a server that is not there is named") {
  const std::string url = "http://127.0.0.1:1/v1";  // nobody listens there
  for (const int count : {1, 30}) {
    OpenAiOptions options = test_options();
    options.retries.max_retries = count == 1 ? 0 : 5;
    const std::string error = error_of([&] { answers("openai:" + url + "#m", options, requests_of(count)); });
    CHECK(contains(error, url + ": no connection"));
  }
}

TEST_CASE("names and options that cannot be used are one line, without what is secret in them") {
  for (const char* name : {"openai:", "openai:http://h", "openai:http://h#", "openai:ftp://h#m", "openai:http://#m",
                           "openai:http://h:99999#m", "openai:http://u:passw0rd@h#m", "openai:http://h?k=passw0rd#m"}) {
    const std::string error = error_of([&] { check_openai_name(name); });
    CHECK(contains(error, "--model openai:"));
    CHECK_FALSE(contains(error, "passw0rd"));
  }
  OpenAiOptions options = test_options();
  options.api_key_env = kKey;  // the key in place of the variable's name
  const std::string error = error_of([&] { open_openai_model("openai:http://h#m", options); });
  CHECK(contains(error, "--api-key-env"));
  CHECK_FALSE(contains(error, kKey));
  GenerationOptions generation;
  generation.top_k = 5;
  CHECK(contains(error_of([&] { check_openai_options(generation); }), "--top-k 5"));
}

TEST_CASE("a run with failed requests counts them apart, asks them again, and holds no key") {
  const KeyInEnvironment environment;
  std::atomic<bool> better{false};
  TestServer server([&](const std::string& prompt, int, httplib::Response& response) {
    if (contains(prompt, "What is 2 + 1") && !better) {
      response.status = 400;
      response.set_content(R"({"error":{"message":"no: )" + kKey + R"("}})", "application/json");
    } else {
      response.set_content(chat_reply("The answer is 3. " + kKey), "application/json");
    }
  });
  const fs::path folder = fresh_path("openai-run");
  const auto model = open_openai_model(server.name(), test_options());
  const auto first = run_evaluation(prepared(), *model, folder, {});
  REQUIRE(first);
  const int asked = server.total;
  CHECK(asked == 12);
  const Json group = to_json(first->results)["groups"][0];
  CHECK(group["n"] == 3);
  CHECK(group["failed"] == 1);
  CHECK(group["correct"] == 0);
  CHECK(first->run["model"].dump() == Json{{"name", "tiny"}, {"url", server.url() + "/v1"}, {"api", "chat"}}.dump());
  CHECK(contains(every_file(folder), "HTTP status 400: no: [key]"));
  CHECK_FALSE(contains(every_file(folder), kKey));
  better = true;
  const auto second = run_evaluation(prepared(), *model, folder, {});
  REQUIRE(second);
  CHECK(server.total == asked + 1);
  CHECK(to_json(second->results)["groups"][0]["n"] == 4);
  CHECK(to_json(second->results)["groups"][0]["correct"] == 1);
  CHECK(to_json(second->results)["groups"][0]["failed"] == 0);
}

TEST_CASE("predictions alone are stored unjudged, and judged when the run goes on without asking again") {
  TestServer server([](const std::string&, int, httplib::Response& response) {
    response.set_content(chat_reply("The answer is 3."), "application/json");
  });
  const auto model = open_openai_model(server.name(), test_options());
  const fs::path folder = fresh_path("predictions");
  REQUIRE(run_evaluation(prepared(true), *model, folder, {}));
  CHECK_FALSE(fs::exists(folder / "results.json"));
  for_each_line(folder / "samples.jsonl", [](std::string_view line, std::size_t) {
    CHECK(parse_json(line, {})["verdict"] == "unjudged");
    CHECK(parse_json(line, {})["correct"].is_null());
  });
  const fs::path whole = fresh_path("judged");
  REQUIRE(run_evaluation(prepared(), *model, whole, {}));
  const int asked = server.total;
  REQUIRE(run_evaluation(prepared(), *model, folder, {}));
  CHECK(server.total == asked);
  for (const char* file : {"samples.jsonl", "results.json"}) CHECK(read_file(folder / file) == read_file(whole / file));
}

TEST_CASE("an interrupted run of a server keeps what has come, and waits for nothing else") {
  std::atomic<TestServer*> self{nullptr};
  TestServer server([&](const std::string& prompt, int earlier, httplib::Response& response) {
    if (contains(prompt, "even?")) return self.load()->hang();
    answer_well(prompt, earlier, response);
  });
  self = &server;
  const fs::path folder = fresh_path("openai-interrupted");
  const PreparedEvaluation evaluation = prepared();
  const pid_t child = ::fork();
  if (child == 0) {
    install_interrupt_handler();
    OpenAiOptions options = test_options();
    options.max_connections = 4;
    const auto model = open_openai_model(server.name(), options);
    std::thread signaller([&] {
      // Eight come (originals and traps); the other four hang.
      while (!fs::exists(folder / "samples.jsonl")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      std::size_t lines = 0;
      while (lines < 8) {
        const std::string text = read_file(folder / "samples.jsonl");
        lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      ::kill(::getpid(), SIGTERM);
    });
    const bool complete = run_evaluation(evaluation, *model, folder, {}).has_value();
    signaller.join();
    ::_exit(complete ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
  const std::string text = read_file(folder / "samples.jsonl");
  CHECK(std::count(text.begin(), text.end(), '\n') == 8);
}

#include "harness/openai_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "harness/http_client.h"
#include "harness/request_queue.h"
#include "support/error.h"
#include "support/interrupt.h"
#include "support/log.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::string_view kPrefix = "openai:";
constexpr const char* kDefaultKey = "OPENAI_API_KEY";
constexpr double kTick = 0.02;  // seconds between looks at the signals
constexpr int kMostConnections = 1000;
constexpr int kMostRetries = 100;
constexpr double kLongestTimeout = 86400;     // seconds
constexpr std::size_t kShortestSecret = 8;    // what is shorter ("EMPTY") is no secret, and may be a word of a reply
constexpr std::size_t kLongestMessage = 300;  // bytes of what a server says of an error
constexpr std::size_t kLongestKey = 4000;

struct Address {
  ServerUrl url;
  std::string model;
};

Address parse_name(const std::string& name) {
  const std::string rest = name.substr(kPrefix.size());
  const std::size_t mark = rest.find('#');
  if (mark == std::string::npos || mark + 1 == rest.size()) {
    throw Error("--model openai:…: openai:URL#NAME is wanted, such as openai:http://127.0.0.1:8080/v1#NAME");
  }
  Address address{parse_server_url(rest.substr(0, mark), "--model openai:…"), rest.substr(mark + 1)};
  if (address.url.path.empty()) address.url.path = "/v1";
  return address;
}

void check_options(const OpenAiOptions& options) {
  if (options.max_connections < 1 || options.max_connections > kMostConnections) {
    throw Error(fmt::format("--max-connections {}: a number from 1 to {} is wanted", options.max_connections,
                            kMostConnections));
  }
  if (!(options.request_timeout > 0 && options.request_timeout <= kLongestTimeout)) {
    throw Error(fmt::format("--request-timeout {}: seconds above 0, at most {}, are wanted", options.request_timeout,
                            kLongestTimeout));
  }
  if (options.retries.max_retries < 0 || options.retries.max_retries > kMostRetries) {
    throw Error(
        fmt::format("--max-retries {}: a number from 0 to {} is wanted", options.retries.max_retries, kMostRetries));
  }
}

/// Never says what it read, nor the variable's name: someone may have put the key in its place.
std::string read_key(const std::string& variable) {
  const char* value = std::getenv(variable.empty() ? kDefaultKey : variable.c_str());
  if (value == nullptr && !variable.empty()) {
    throw Error("--api-key-env: no such variable is set in the environment; give the name of one that holds the key");
  }
  std::string key = value == nullptr ? "" : value;
  if (key.size() > kLongestKey || !std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < '\x7f'; })) {
    throw Error("the API key in the environment holds blanks, line ends or other characters that no key has");
  }
  return key;
}

class OpenAiModel final : public ModelUnderTest {
 public:
  OpenAiModel(Address address, const OpenAiOptions& options)
      : address_(std::move(address)),
        options_(options),
        http_{options.request_timeout, read_key(options.api_key_env), options.ca_file},
        description_{{"name", address_.model}, {"url", shown_url()}, {"api", to_string(options.api)}} {
    if (!http_.bearer_token.empty() && !address_.url.encrypted && !address_.url.local) {
      warn(fmt::format("the key goes to {} without encryption", address_.url.origin));
    }
  }

  const Json& description() const override { return description_; }

  void check_options(const GenerationOptions& options) const override { check_openai_options(options); }

  void answer(std::span<const GenerationRequest> requests, const Engine::OnCompletion& on_completion) override;

 private:
  /// What became of one sending: a completion, or why there is none and how long to wait before the next.
  struct Attempt {
    std::optional<Completion> completion;
    std::string failure;
    std::optional<double> retry_after;
  };

  std::string shown_url() const { return address_.url.origin + address_.url.path; }
  void work(RequestQueue& queue, HttpClient& client, std::span<const GenerationRequest> requests);
  std::optional<Completion> ask(RequestQueue& queue, HttpClient& client, const GenerationRequest& request);
  std::optional<Attempt> attempt(RequestQueue& queue, HttpClient& client, const GenerationRequest& request);
  Attempt read_answer(RequestQueue& queue, const HttpReply& reply, const GenerationRequest& request) const;
  std::string refusal(const HttpReply& reply) const;
  std::string redirect(const HttpReply& reply) const;
  std::string without_key(const std::string& text) const;

  Address address_;
  OpenAiOptions options_;
  HttpOptions http_;
  Json description_;
  std::atomic<std::size_t> repeated_{0};
};

Completion failed(const std::string& why) {
  Completion completion;
  completion.finish_reason = FinishReason::error;
  completion.error = why;
  return completion;
}

/// Signals are the main thread's; a connection that breaks while it is written to is an error, not a SIGPIPE.
void block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

/// The threads of one call of answer(), each with a connection of its own.
class Workers {
 public:
  Workers(RequestQueue& queue, std::vector<std::unique_ptr<HttpClient>>& clients) : queue_(queue), clients_(clients) {}
  /// However answer() ends, no thread outlives it.
  ~Workers() {
    queue_.stop();
    stop();
    while (!queue_.done()) queue_.collect(kTick);
    for (std::thread& thread : threads_) thread.join();
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void start(const std::function<void(HttpClient&)>& work) {
    for (auto& client : clients_) {
      threads_.emplace_back([this, &client, work] {
        block_signals();
        try {
          work(*client);
        } catch (const std::exception& error) {
          queue_.end_with(error.what());
        }
        queue_.leave();
      });
    }
  }

  void stop() {
    for (auto& client : clients_) client->stop();
  }

 private:
  RequestQueue& queue_;
  std::vector<std::unique_ptr<HttpClient>>& clients_;
  std::vector<std::thread> threads_;
};

void OpenAiModel::answer(std::span<const GenerationRequest> requests, const Engine::OnCompletion& on_completion) {
  for (const GenerationRequest& request : requests) check_openai_options(request.options);
  const int count = static_cast<int>(std::min<std::size_t>(requests.size(), options_.max_connections));
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < count; ++i) clients.push_back(std::make_unique<HttpClient>(address_.url, http_));
  RequestQueue queue(requests.size(), count);
  Workers workers(queue, clients);
  workers.start([&](HttpClient& client) { work(queue, client, requests); });
  while (!queue.done()) {
    for (const auto& [index, completion] : queue.collect(kTick)) {
      if (!on_completion(index, completion)) queue.stop();
    }
    if (interrupted()) queue.stop();
    if (queue.stopped()) workers.stop();
  }
  if (const auto error = queue.error()) throw Error(*error);
  if (repeated_ != 0) note(fmt::format("{} requests had to be sent again", repeated_.exchange(0)));
}

void OpenAiModel::work(RequestQueue& queue, HttpClient& client, std::span<const GenerationRequest> requests) {
  while (const auto index = queue.take()) {
    const std::optional<Completion> completion = ask(queue, client, requests[*index]);
    if (!completion) return;
    queue.finish(*index, *completion);
  }
}

/// Nothing when the queue was stopped meanwhile.
std::optional<Completion> OpenAiModel::ask(RequestQueue& queue, HttpClient& client, const GenerationRequest& request) {
  for (int retry = 0;; ++retry) {
    std::optional<Attempt> made = attempt(queue, client, request);
    if (!made) return std::nullopt;
    if (made->completion) return made->completion;
    if (retry == options_.retries.max_retries) {
      return failed(fmt::format("given up after {} requests; the last: {}", retry + 1, made->failure));
    }
    const double seconds = retry_wait(options_.retries, retry, request.options.seed, made->retry_after);
    if (options_.wait) {
      options_.wait(seconds);
    } else if (!queue.pause(seconds)) {
      return std::nullopt;
    }
    if (queue.stopped()) return std::nullopt;
    ++repeated_;
  }
}

/// Sends the request once. Nothing when the run ends.
std::optional<OpenAiModel::Attempt> OpenAiModel::attempt(RequestQueue& queue, HttpClient& client,
                                                         const GenerationRequest& request) {
  const HttpReply reply =
      client.post_json(std::string(endpoint(options_.api)), openai_request(options_.api, address_.model, request));
  const std::string failure = describe_failure(reply, http_);
  switch (reply.outcome) {
    case HttpOutcome::stopped:
      return std::nullopt;
    case HttpOutcome::untrusted:
    case HttpOutcome::bad_ca_file:
      queue.end_with(fmt::format("{}: {}", shown_url(), failure));
      return std::nullopt;
    case HttpOutcome::not_connected:
      queue.not_connected(fmt::format("{}: {}; is the server running there?", shown_url(), failure));
      return Attempt{std::nullopt, failure, std::nullopt};
    case HttpOutcome::answered:
      break;
    case HttpOutcome::cut:
    case HttpOutcome::malformed:
    case HttpOutcome::timed_out:
    case HttpOutcome::too_large:
      queue.connected();
      return Attempt{std::nullopt, failure, std::nullopt};
  }
  queue.connected();
  Attempt result = read_answer(queue, reply, request);
  if (queue.stopped() && !result.completion) return std::nullopt;
  return result;
}

OpenAiModel::Attempt OpenAiModel::read_answer(RequestQueue& queue, const HttpReply& reply,
                                              const GenerationRequest& request) const {
  if (reply.status == 401 || reply.status == 403) {
    queue.end_with(fmt::format("{}: the server refuses access ({}); the key is read from {}", shown_url(),
                               refusal(reply),
                               options_.api_key_env.empty() ? kDefaultKey : "--api-key-env's variable"));
    return {};
  }
  if (reply.status >= 300 && reply.status < 400) {
    queue.end_with(fmt::format(
        "{}: the server redirects to {} ({}), and redirects are not followed, for they would take the key along; give "
        "the URL that answers itself",
        shown_url(), redirect(reply), refusal(reply)));
    return {};
  }
  if (reply.status == 404 || reply.status == 405) {
    queue.end_with(fmt::format("{}{}: the server has no such address or no model \"{}\" ({}); see --model and --api",
                               shown_url(), endpoint(options_.api), address_.model, refusal(reply)));
    return {};
  }
  if (is_passing_status(reply.status)) {
    return {std::nullopt, refusal(reply), parse_retry_after(reply.retry_after, std::time(nullptr))};
  }
  if (reply.status < 200 || reply.status >= 300) return {failed(refusal(reply)), "", std::nullopt};
  try {
    Completion completion = parse_openai_reply(options_.api, reply.body, request.options);
    completion.text = without_key(completion.text);
    return {std::move(completion), "", std::nullopt};
  } catch (const Error& error) {
    return {std::nullopt, without_key(error.what()), std::nullopt};
  }
}

std::string OpenAiModel::refusal(const HttpReply& reply) const {
  // The key is taken out first: a part of it would not be found.
  const std::string message = without_key(openai_error_message(reply.body)).substr(0, kLongestMessage);
  return message.empty() ? fmt::format("HTTP status {}", reply.status)
                         : fmt::format("HTTP status {}: {}", reply.status, message);
}

/// Up to its query, which may hold what is secret.
std::string OpenAiModel::redirect(const HttpReply& reply) const {
  if (reply.redirect.empty()) return "nowhere";
  std::string where = without_key(reply.redirect).substr(0, kLongestMessage);
  where.resize(std::min(where.size(), where.find_first_of("?#")));
  std::replace_if(
      where.begin(), where.end(), [](unsigned char c) { return c <= ' ' || c >= '\x7f'; }, '?');
  return where;
}

std::string OpenAiModel::without_key(const std::string& text) const {
  return http_.bearer_token.size() < kShortestSecret ? text : replace_all(text, http_.bearer_token, "[key]");
}

}  // namespace

bool is_openai_name(const std::string& name) {
  return name.starts_with(kPrefix);
}

void check_openai_name(const std::string& name) {
  parse_name(name);
}

std::unique_ptr<ModelUnderTest> open_openai_model(const std::string& name, const OpenAiOptions& options) {
  check_options(options);
  return std::make_unique<OpenAiModel>(parse_name(name), options);
}

}  // namespace mathtrap

// An OpenAI-compatible server in the test's own process.
#pragma once

#include <fmt/format.h>
#include <httplib.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "support/json.h"

namespace mathtrap {

inline std::string chat_reply(const std::string& text, const std::string& reason = "stop") {
  return Json{{"choices", {{{"message", {{"role", "assistant"}, {"content", text}}}, {"finish_reason", reason}}}},
              {"usage", {{"prompt_tokens", 7}, {"completion_tokens", 3}}}}
      .dump();
}

/// Answers each POST by a function that is told the prompt and how often it was asked before.
class TestServer {
 public:
  using Behaviour = std::function<void(const std::string& prompt, int earlier, httplib::Response& response)>;

  explicit TestServer(const Behaviour& behaviour) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(12); };
    server_.Post(".*", [this, behaviour](const httplib::Request& request, httplib::Response& response) {
      const Json body = Json::parse(request.body);
      const std::string prompt = body.contains("prompt") ? body["prompt"].get<std::string>()
                                                         : body["messages"][0]["content"].get<std::string>();
      int earlier = 0;
      {
        const std::lock_guard lock(mutex_);
        earlier = asked_[prompt]++;
        last_body = body;
        last_path = request.path;
        last_authorization = request.get_header_value("Authorization");
        ++total;
      }
      behaviour(prompt, earlier, response);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~TestServer() {
    closing = true;
    server_.stop();
    thread_.join();
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  std::string name() const { return fmt::format("openai:http://127.0.0.1:{}/v1#tiny", port_); }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }
  /// Holds a reply back until the server closes.
  void hang() const {
    while (!closing) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  std::atomic<int> total{0};
  std::atomic<bool> closing{false};
  Json last_body;  // these three are read when nothing is under way
  std::string last_path;
  std::string last_authorization;

 private:
  httplib::Server server_;
  std::thread thread_;
  std::mutex mutex_;
  std::map<std::string, int> asked_;
  int port_ = 0;
};

}  // namespace mathtrap

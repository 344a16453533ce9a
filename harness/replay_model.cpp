// Replies made elsewhere, or earlier, in place of a model: by their prompts.
#include <fmt/format.h>

#include <deque>
#include <unordered_map>
#include <utility>

#include "harness/models_under_test.h"
#include "support/error.h"
#include "support/files.h"
#include "support/hash.h"

namespace mathtrap {
namespace {

constexpr std::size_t kShownPrompt = 60;

class ReplayModel final : public ModelUnderTest {
 public:
  ReplayModel(const std::string& name, std::string file)
      : file_(std::move(file)), description_{{"name", name}, {"sha256", sha256_of_path(file_)}} {
    for_each_line(file_, [&](std::string_view line, std::size_t number) {
      if (line.find_first_not_of(" \t\r") != std::string_view::npos) add(line, {file_, number, ""});
    });
    if (replies_.empty()) throw Error(fmt::format("{}: no replies are there", file_));
  }

  const Json& description() const override { return description_; }

  void answer(std::span<const GenerationRequest> requests, const Engine::OnCompletion& on_completion) override {
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (!on_completion(i, reply_to(requests[i].prompt))) return;
    }
  }

 private:
  void add(std::string_view line, const Place& place) {
    const Json json = parse_json(line, place);
    Completion completion;
    completion.text = json_string(json, "reply", place);
    const std::string reason = json.is_object() && json.contains("finish_reason")
                                   ? json_string(json, "finish_reason", place)
                                   : std::string(to_string(FinishReason::stop));
    if (reason == to_string(FinishReason::error)) return;  // of a request that failed: no reply is there
    if (reason != to_string(FinishReason::stop) && reason != to_string(FinishReason::length)) {
      fail({place.file, place.line, "finish_reason"}, fmt::format("\"{}\" is neither stop nor length", reason));
    }
    completion.finish_reason = reason == to_string(FinishReason::stop) ? FinishReason::stop : FinishReason::length;
    if (json.contains("prompt_tokens")) completion.prompt_tokens = json_int(json, "prompt_tokens", place);
    if (json.contains("completion_tokens")) completion.completion_tokens = json_int(json, "completion_tokens", place);
    replies_[json_string(json, "prompt", place)].push_back(std::move(completion));
  }

  /// Several replies to one prompt are given in turn; the last of them stays.
  Completion reply_to(const std::string& prompt) {
    const auto found = replies_.find(prompt);
    if (found == replies_.end()) {
      fail({file_, 0, ""}, fmt::format("holds no reply to the prompt that begins \"{}\"; was it made with another data "
                                       "set, form, intervention or seed?",
                                       prompt.substr(0, kShownPrompt)));
    }
    std::deque<Completion>& queue = found->second;
    Completion reply = queue.front();
    if (queue.size() > 1) queue.pop_front();
    return reply;
  }

  std::string file_;
  Json description_;
  std::unordered_map<std::string, std::deque<Completion>> replies_;
};

}  // namespace

std::unique_ptr<ModelUnderTest> open_replay_model(const std::string& name, const std::string& file) {
  return std::make_unique<ReplayModel>(name, file);
}

}  // namespace mathtrap

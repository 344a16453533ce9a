// A model for tests: it answers by a function, in an order of its own, and counts what it was asked.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>

#include "harness/models_under_test.h"

namespace mathtrap {

class ScriptedModel final : public ModelUnderTest {
 public:
  /// The completion of a prompt; called once per request, the last request first.
  using Script = std::function<Completion(const GenerationRequest& request)>;

  explicit ScriptedModel(Script script, const std::string& sha256 = "abc")
      : script_(std::move(script)), description_{{"name", "scripted"}, {"sha256", sha256}} {}

  const Json& description() const override { return description_; }

  void answer(std::span<const GenerationRequest> requests, const Engine::OnCompletion& on_completion) override {
    for (std::size_t i = requests.size(); i > 0; --i) {
      ++asked;
      if (!on_completion(i - 1, script_(requests[i - 1]))) return;
    }
  }

  std::size_t asked = 0;

 private:
  Script script_;
  Json description_;
};

inline Completion finished_reply(const std::string& text) {
  return {text, FinishReason::stop, 10, 5};
}

}  // namespace mathtrap

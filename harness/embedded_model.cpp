// A model run by this program's own engine.
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "harness/models_under_test.h"
#include "model/model_path.h"
#include "support/log.h"

namespace mathtrap {
namespace {

class EmbeddedModel final : public ModelUnderTest {
 public:
  EmbeddedModel(const std::string& name, const std::string& path, const EngineOptions& options)
      : name_(name),
        path_(path),
        options_(options),
        engine_(path, options),
        description_{{"name", name},
                     {"sha256", model_sha256(path)},
                     {"parameters", engine_.info().parameters},
                     {"dtype", engine_.info().dtype},
                     {"device", options.device}} {
    if (!options.adapter.empty()) description_["adapter_sha256"] = adapter_sha256(options.adapter);
  }

  const Json& description() const override { return description_; }

  std::unique_ptr<ModelUnderTest> adapted(const std::string& adapter) const override {
    EngineOptions options = options_;
    options.adapter = resolve_model_path(adapter);
    return std::make_unique<EmbeddedModel>(name_, path_, options);
  }

  /// A prompt that does not fit the model's context is a reply that never came: cut off, and not the end of the run.
  void answer(std::span<const GenerationRequest> requests, const Engine::OnCompletion& on_completion) override {
    std::vector<GenerationRequest> fitting;
    std::vector<std::size_t> places;
    std::vector<std::pair<std::size_t, std::int64_t>> too_long;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const std::int64_t tokens = engine_.prompt_tokens(requests[i]);
      if (tokens >= engine_.info().config.max_position_embeddings) {
        too_long.emplace_back(i, tokens);
      } else {
        fitting.push_back(requests[i]);
        places.push_back(i);
      }
    }
    if (!too_long.empty()) {
      warn(fmt::format("{} of {} prompts do not fit the model's context of {} tokens; they count as cut off",
                       too_long.size(), requests.size(), engine_.info().config.max_position_embeddings));
    }
    for (const auto& [index, tokens] : too_long) {
      if (!on_completion(index, {"", FinishReason::length, tokens, 0})) return;
    }
    engine_.generate(fitting, [&](std::size_t index, const Completion& completion) {
      return on_completion(places[index], completion);
    });
  }

 private:
  std::string name_;
  std::string path_;
  EngineOptions options_;
  Engine engine_;
  Json description_;
};

}  // namespace

std::unique_ptr<ModelUnderTest> open_embedded_model(const std::string& name, const EngineOptions& options) {
  return std::make_unique<EmbeddedModel>(name, resolve_model_path(name), options);
}

}  // namespace mathtrap

// A model run by this program's own engine.
#include <utility>

#include "harness/models_under_test.h"
#include "model/model_path.h"

namespace mathtrap {
namespace {

class EmbeddedModel final : public ModelUnderTest {
 public:
  EmbeddedModel(const std::string& name, const std::string& path, const EngineOptions& options)
      : engine_(path, options),
        description_{{"name", name},
                     {"sha256", model_sha256(path)},
                     {"parameters", engine_.info().parameters},
                     {"dtype", engine_.info().dtype},
                     {"device", options.device}} {}

  const Json& description() const override { return description_; }

  void answer(std::span<const GenerationRequest> requests, const Engine::OnCompletion& on_completion) override {
    engine_.generate(requests, on_completion);
  }

 private:
  Engine engine_;
  Json description_;
};

}  // namespace

std::unique_ptr<ModelUnderTest> open_embedded_model(const std::string& name, const EngineOptions& options) {
  return std::make_unique<EmbeddedModel>(name, resolve_model_path(name), options);
}

}  // namespace mathtrap

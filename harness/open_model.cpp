// Which kind of model a name means.
#include <fmt/format.h>

#include <filesystem>
#include <string_view>

#include "harness/models_under_test.h"
#include "harness/openai_model.h"
#include "model/model_path.h"
#include "support/error.h"

namespace mathtrap {
namespace {

constexpr std::string_view kReplay = "replay:";

}  // namespace

std::unique_ptr<ModelUnderTest> ModelUnderTest::adapted(const std::string& adapter) const {
  throw Error(
      fmt::format("intervention adapter:{}: only a model that runs in this program can take an adapter", adapter));
}

std::unique_ptr<ModelUnderTest> open_model(const std::string& name, const EngineOptions& options,
                                           const OpenAiOptions& server_options) {
  if (is_openai_name(name)) return open_openai_model(name, server_options);
  if (name.starts_with(kReplay)) return open_replay_model(name, name.substr(kReplay.size()));
  return open_embedded_model(name, options);
}

std::unique_ptr<ModelUnderTest> open_model(const std::string& name, const EngineOptions& options) {
  return open_model(name, options, {});
}

void check_model_name(const std::string& name) {
  if (is_openai_name(name)) {
    check_openai_name(name);
  } else if (!name.starts_with(kReplay)) {
    resolve_model_path(name);
  } else if (!std::filesystem::is_regular_file(name.substr(kReplay.size()))) {
    throw Error("--model " + name + ": there is no such file");
  }
}

}  // namespace mathtrap

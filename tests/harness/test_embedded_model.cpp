// Whole runs with a real model: the same whatever the batch, and the same from another file format.
#include "harness/evaluation.h"
#include "model/runtime.h"
#include "support/log.h"
#include "tests/catch.h"
#include "tests/harness/records.h"
#include "tests/shared_data.h"

using namespace mathtrap;

namespace {

StoredRun run_with(const std::string& model_path, int batch_size) {
  static const std::string dataset = sum_dataset(8).string();
  set_quiet(true);
  EvaluationOptions options;
  options.dataset = dataset;
  options.generation.max_new_tokens = 24;
  EngineOptions engine;
  engine.batch_size = batch_size;
  const auto model = open_embedded_model(model_path, engine);
  return run_evaluation(prepare_evaluation(options, "1"), *model, fresh_path("embedded"), {}).value();
}

void check_same_replies(const StoredRun& a, const StoredRun& b) {
  REQUIRE(a.samples.size() == b.samples.size());
  for (std::size_t i = 0; i < a.samples.size(); ++i) {
    CHECK(a.samples[i].id == b.samples[i].id);
    CHECK(a.samples[i].reply == b.samples[i].reply);
    CHECK(a.samples[i].completion_tokens == b.samples[i].completion_tokens);
    CHECK(a.samples[i].verdict == b.samples[i].verdict);
  }
}

}  // namespace

TEST_CASE("a real model's run does not depend on the batch or the file format") {
  if (!has_shared_data("data/models/stories260K-hf")) return;
  prepare_runtime(1);
  const std::string folder = shared_data("data/models/stories260K-hf").string();
  const StoredRun alone = run_with(folder, 1);
  CHECK(alone.samples.size() == std::size_t{48});
  CHECK(alone.samples.front().completion_tokens > 0);
  CHECK(alone.run["model"]["parameters"] == 260032);
  check_same_replies(alone, run_with(folder, 7));
  check_same_replies(alone, run_with(shared_data("data/models/stories260K/stories260K.f32.gguf").string(), 0));
}

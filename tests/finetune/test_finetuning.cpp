// What fine-tuning adds to training: adapters, epochs, steps of so many documents, the best model, early stops, leaps
// of the loss, and what a dry run shows.
#include <ATen/TensorOperators.h>

#include <cmath>
#include <filesystem>

#include "finetune/training.h"
#include "model/adapter.h"
#include "model/checkpoint.h"
#include "model/engine.h"
#include "tests/catch.h"
#include "tests/finetune/training_setting.h"

using namespace mathtrap;
namespace fs = std::filesystem;

namespace {

/// A base model of 30 steps, and options that adapt it.
struct AdapterSetting : TrainingSetting {
  AdapterSetting() {
    TrainingOptions base = options("base");
    base.limits.steps = 30;
    base.dtype = "f32";
    train(base);
  }

  TrainingOptions adapting(const std::string& output) const {
    TrainingOptions result = options(output);
    result.tokenizer.clear();
    result.from = folder / "base";
    result.adapter = AdapterOptions{4, 8, 0.2, parse_target_modules("all")};
    return result;
  }
};

}  // namespace

TEST_CASE("an adapter learns, is written as PEFT does, and leaves its base as it is") {
  const AdapterSetting setting;
  const std::string before = setting.file("base", "model.safetensors");
  TrainingOptions options = setting.adapting("adapter");
  options.limits.steps = 40;
  const TrainingResult result = train(options);
  const std::vector<Json> log = setting.log("adapter");
  CHECK(result.loss < log.front()["loss"].get<double>());
  CHECK(setting.file("base", "model.safetensors") == before);
  CHECK(is_adapter_folder(options.output));
  CHECK_FALSE(fs::exists(fs::path(options.output) / "model.safetensors"));
  const Json config = Json::parse(setting.file("adapter", "adapter_config.json"));
  CHECK(config["peft_type"] == "LORA");
  CHECK(config["r"] == 4);
  CHECK(config["base_model_name_or_path"] == options.from);

  // The folder is a model: base and updates together, whose weights are those of the sum.
  const Checkpoint base = read_checkpoint(options.from);
  const Checkpoint merged = read_checkpoint(options.output);
  const Adapter adapter = read_adapter(options.output, base.config);
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  const LowRankUpdate& update = adapter.updates[1][static_cast<std::size_t>(Projection::down)];
  REQUIRE(update.b.abs().max().item<double>() > 0);
  const at::Tensor sum =
      base.tensors.at(name).to(at::kDouble) + 2.0 * update.b.to(at::kDouble).mm(update.a.to(at::kDouble));
  CHECK((merged.tensors.at(name) - sum).abs().max().item<double>() < 1e-6);
  CHECK(merged.tensors.at("model.norm.weight").equal(base.tensors.at("model.norm.weight")));
  CHECK(Engine(options.output, {}).info().parameters == Engine(options.from, {}).info().parameters);
}

TEST_CASE("an interrupted adapter with dropout goes on with the same losses and ends the same, to the bit") {
  const AdapterSetting setting;
  train(setting.adapting("whole"));
  TrainingOptions options = setting.adapting("parts");
  for (const int steps : {1, 4, 3}) {
    options.stop = stop_after(steps);
    CHECK_FALSE(train(options).finished);
  }
  options.stop = [] { return false; };
  CHECK(train(options).finished);
  CHECK(losses(setting.log("parts")) == losses(setting.log("whole")));
  CHECK(setting.file("parts", "adapter_model.safetensors") == setting.file("whole", "adapter_model.safetensors"));
}

TEST_CASE("computing activations again changes no loss") {
  const AdapterSetting setting;
  train(setting.adapting("kept"));
  TrainingOptions options = setting.adapting("again");
  options.recompute = true;
  train(options);
  CHECK(losses(setting.log("again")) == losses(setting.log("kept")));
}

TEST_CASE("epochs are passes over the documents, and a step may be made of so many of them") {
  const TrainingSetting setting;
  TrainingOptions options = setting.options("model");
  options.limits.steps = 0;
  options.epochs = 3;
  options.step_documents = 4;
  options.batch_tokens = 100;  // two documents at most
  const TrainingResult result = train(options);
  CHECK(result.spent.documents == 24);
  CHECK(result.spent.steps == 6);
  for (const Json& line : setting.log("model")) {
    CHECK(line["documents"].get<int>() == 4 * line["step"].get<int>());
  }
}

TEST_CASE("the gradient of a step of so many documents does not depend on the batches that hold them") {
  const TrainingSetting setting;
  const auto first_step = [&](const std::string& output, std::int64_t batch_tokens) {
    TrainingOptions options = setting.options(output);
    options.bf16 = false;
    options.step_documents = 8;
    options.limits.steps = 1;
    options.batch_tokens = batch_tokens;
    train(options);
    return setting.log(output).front();
  };
  const Json one = first_step("one", 1000);
  const Json eight = first_step("eight", 42);
  CHECK(eight["loss"].get<double>() == Approx(one["loss"].get<double>()).epsilon(1e-5));
  CHECK(eight["gradient_norm"].get<double>() == Approx(one["gradient_norm"].get<double>()).epsilon(1e-4));
}

TEST_CASE("the finished model is that of the lowest held-out loss, also after an interruption") {
  const TrainingSetting setting;
  // What is learned by heart is no help with other answers to the same questions: that loss has a lowest point.
  std::string lines;
  for (int i = 0; i < 8; ++i) {
    lines += fmt::format("{{\"instruction\":\"What is {}?\",\"response\":\"It is {}.\"}}\n", i, i * 53 % 100);
  }
  TrainingOptions options = setting.options("best");
  options.validation = setting.folder.write("other.jsonl", lines);
  options.validation_steps = 5;
  options.limits.steps = 100;
  options.keep_best = true;
  options.dtype = "f32";
  options.stop = stop_after(63);
  CHECK_FALSE(train(options).finished);
  options.stop = [] { return false; };
  const TrainingResult result = train(options);
  const auto held_out = [](const Json& validation) { return validation["instruction"]["loss"].get<double>(); };
  double lowest = 1e9;
  std::int64_t lowest_step = 0;
  for (const Json& line : setting.log("best")) {
    if (!line.contains("validation") || held_out(line["validation"]) >= lowest) continue;
    lowest = held_out(line["validation"]);
    lowest_step = line["step"].get<std::int64_t>();
  }
  REQUIRE(lowest_step < 100);
  CHECK(result.best_step == lowest_step);

  // One step that moves nothing shows the held-out loss of the model that was written.
  TrainingOptions look = setting.options("look");
  look.tokenizer.clear();
  look.from = options.output;
  look.validation = options.validation;
  look.limits.steps = 1;
  look.optimizer.learning_rate = 1e-12;
  CHECK(held_out(train(look).validation) == Approx(lowest).epsilon(1e-4));

  TrainingOptions early = options;
  early.output = setting.folder / "early";
  early.patience = 3;
  const TrainingResult stopped = train(early);
  CHECK(stopped.finished);
  CHECK(stopped.spent.steps == stopped.best_step + 15);
  CHECK(stopped.best_step == lowest_step);
}

TEST_CASE("a leap of the loss stops the training with step, batch and last good checkpoint") {
  const TrainingSetting setting;
  TrainingOptions options = setting.options("leap");
  options.checkpoint_steps = 10;
  options.optimizer.schedule = Schedule::constant;
  options.optimizer.warmup_share = 0;
  options.optimizer.clip_norm = 0;
  options.limits.steps = 400;
  options.optimizer.learning_rate = 0.02;
  options.spike = 0.02;  // what any training does at some step
  const std::string message = error_of([&] { train(options); });
  CHECK(contains(message, "the loss is "));
  CHECK(contains(message, "that begins with "));
  CHECK(contains(message, "data.jsonl:"));
  CHECK(contains(message, "checkpoints/step-00000"));
  CHECK(contains(message, "--spike 0"));
}

TEST_CASE("documents that do not fit are counted and named") {
  const TrainingSetting setting;
  TrainingOptions options = setting.options("model");
  options.data = {setting.folder.write("long.jsonl", read_file(options.data[0]) + "{\"instruction\":\"What is " +
                                                         std::string(200, '7') + "?\",\"response\":\"Long.\"}\n")};
  train(options);
  const Json line = Json::parse(setting.file("model", "left_out.jsonl"));
  CHECK(line["kind"] == "instruction");
  CHECK(line["place"] == options.data[0] + ":9");
  CHECK(contains(line["reason"].get<std::string>(), "longer"));
  options.max_length = 129;
  options.output = setting.folder / "other";
  CHECK(contains(error_of([&] { train(options); }), "--max-length 129: the model's context is 128"));
}

TEST_CASE("a dry run shows the documents in the order of training, and what of them is learned") {
  const TrainingSetting setting;
  TrainingOptions options = setting.options("none");
  options.documents.hint_share = 0;
  options.data = {setting.folder.write("one.jsonl", R"({"instruction":"Who?","response":"Tom."})"
                                                    "\n")};
  const std::vector<Json> shown = preview_training(options, 2);
  REQUIRE(shown.size() == 2);
  CHECK(shown[0]["text"] == "<begin> Question: Who?\nAnswer:⟦ Tom.<end>⟧");
  CHECK(shown[0]["place"] == options.data[0] + ":1");
  CHECK(shown[0]["learned"] == 6);
  CHECK(shown[1] == shown[0]);
  CHECK_FALSE(fs::exists(options.output));
  options.learn_prompts = true;
  CHECK(preview_training(options, 1)[0]["text"] == "<begin>⟦ Question: Who?\nAnswer: Tom.<end>⟧");
}

TEST_CASE("options of fine-tuning that make no sense are one line each") {
  const AdapterSetting setting;
  const auto message = [&](const std::function<void(TrainingOptions&)>& spoil) {
    TrainingOptions options = setting.adapting("bad");
    spoil(options);
    return error_of([&] { train(options); });
  };
  CHECK(contains(message([](TrainingOptions& o) { o.adapter->rank = 0; }), "rank is 0"));
  CHECK(contains(message([](TrainingOptions& o) { o.adapter->dropout = 1; }), "dropout"));
  CHECK(contains(message([](TrainingOptions& o) { o.adapter->alpha = -1; }), "alpha"));
  CHECK(contains(message([](TrainingOptions& o) { o.keep_best = true; }), "--validation"));
  CHECK(contains(message([](TrainingOptions& o) { o.patience = 2; }), "--validation"));
  CHECK(contains(message([&](TrainingOptions& o) {
                   o.tokenizer = setting.folder / "tokenizer.model";
                   o.from.clear();
                 }),
                 "--from"));
  train(setting.adapting("adapter"));
  CHECK(contains(message([&](TrainingOptions& o) { o.from = setting.folder / "adapter"; }), "give its base"));
}

TEST_CASE("schedules: cosine, linear and constant, behind a linear warm-up") {
  OptimizerOptions options;
  options.learning_rate = 1;
  options.warmup_share = 0.2;
  options.final_share = 0.1;
  CHECK(learning_rate(options, 0.1) == Approx(0.5));
  CHECK(learning_rate(options, 0.6) == Approx(0.1 + 0.9 * 0.5));
  CHECK(learning_rate(options, 0.4) == Approx(0.1 + 0.9 * 0.5 * (1 + std::sqrt(0.5))));
  options.schedule = parse_schedule("linear");
  CHECK(learning_rate(options, 0.4) == Approx(0.1 + 0.9 * 0.75));
  CHECK(learning_rate(options, 1.0) == Approx(0.1));
  options.schedule = parse_schedule("constant");
  CHECK(learning_rate(options, 0.1) == Approx(0.5));
  CHECK(learning_rate(options, 1.0) == Approx(1.0));
  CHECK_THROWS_WITH(parse_schedule("step"), Catch::Contains("cosine, linear or constant"));
}

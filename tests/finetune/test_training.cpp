// Whole trainings of a micro model: limits, interruption, what is recorded, and what is refused.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "model/engine.h"
#include "tests/catch.h"
#include "tests/finetune/training_setting.h"

using namespace mathtrap;
namespace fs = std::filesystem;

TEST_CASE("held-out documents that a model knows by heart are said exactly, and others are not") {
  const TrainingSetting setting;
  TrainingOptions options = setting.options("model");
  options.shape = {64, 128, 2, 2, 2, 128};
  options.documents.hint_share = 0;
  options.bf16 = false;  // not every machine has it, and the two do not learn equally fast
  options.limits.steps = 400;
  options.validation_steps = 400;
  options.validation = options.data[0];
  const Json known = train(options).validation["instruction"];
  CHECK(known["documents"] == 8);
  CHECK(known["exact"] == 1.0);
  CHECK(known["loss"].get<double>() < 0.05);

  TrainingOptions other = setting.options("other");
  other.tokenizer.clear();
  other.from = options.output;
  other.documents.hint_share = 0;
  other.limits.steps = 1;
  other.optimizer.learning_rate = 1e-9;
  other.validation = setting.folder.write(
      "other.jsonl", read_file(options.data[0]) + "{\"instruction\":\"Who is 7?\",\"response\":\"Nobody at all.\"}\n");
  const Json mixed = train(other).validation["instruction"];
  CHECK(mixed["documents"] == 9);
  CHECK(mixed["exact"].get<double>() == Approx(8.0 / 9));
}

TEST_CASE("an interrupted training goes on with the same losses and ends with the same model, to the bit") {
  const TrainingSetting setting;
  const TrainingResult whole = train(setting.options("whole"));
  CHECK(whole.finished);
  TrainingOptions options = setting.options("parts");
  for (const int steps : {1, 4, 3}) {
    options.stop = stop_after(steps);
    CHECK_FALSE(train(options).finished);
  }
  options.stop = [] { return false; };
  const TrainingResult result = train(options);
  CHECK(result.finished);
  CHECK(result.spent.steps == 12);
  CHECK(result.loss == whole.loss);
  const std::vector<Json> log = setting.log("parts");
  CHECK(
      std::is_sorted(log.begin(), log.end(), [](const Json& a, const Json& b) { return a["seconds"] < b["seconds"]; }));
  CHECK(losses(setting.log("parts")) == losses(setting.log("whole")));
  CHECK(setting.file("parts", "model.safetensors") == setting.file("whole", "model.safetensors"));
  CHECK_FALSE(fs::exists(fs::path(options.output) / "checkpoints"));
}

TEST_CASE("the last checkpoints are kept, so many as are asked for") {
  const TrainingSetting setting;
  TrainingOptions options = setting.options("model");
  options.checkpoint_steps = 2;
  options.stop = stop_after(7);
  train(options);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(fs::path(options.output) / "checkpoints")) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"step-0000000006.safetensors", "step-0000000007.safetensors"});
  options.kept_checkpoints = 1;
  options.stop = stop_after(1);
  train(options);
  CHECK(fs::exists(fs::path(options.output) / "checkpoints/step-0000000008.safetensors"));
  CHECK_FALSE(fs::exists(fs::path(options.output) / "checkpoints/step-0000000007.safetensors"));
}

TEST_CASE("checkpoints come by time as well") {
  const TrainingSetting setting;
  TrainingOptions options = setting.options("model");
  options.checkpoint_seconds = 1e-6;
  options.limits.steps = 0;
  options.limits.seconds = 1e9;
  int steps = 0;
  options.stop = [&] {
    // The step before this one left its checkpoint.
    if (++steps == 3) CHECK(fs::exists(fs::path(options.output) / "checkpoints/step-0000000002.safetensors"));
    return steps == 3;
  };
  train(options);
  CHECK(steps == 3);
}

TEST_CASE("the first limit reached ends a training") {
  const TrainingSetting setting;
  TrainingOptions options = setting.options("tokens");
  options.limits.tokens = 1500;
  const TrainingResult by_tokens = train(options);
  CHECK(by_tokens.spent.tokens >= 1500);
  CHECK(by_tokens.spent.tokens < 1900);
  CHECK(by_tokens.spent.steps < 12);

  TrainingOptions timed = setting.options("time");
  timed.limits = {0, 0, 0, 1.0};
  const TrainingResult by_time = train(timed);
  CHECK(by_time.finished);
  CHECK(by_time.spent.seconds >= 1);
  const Json last = setting.log("time").back();
  CHECK(last["seconds"].get<double>() >= 1);
  // How far down the schedule the last step began depends on how long it took.
  CHECK(last["learning_rate"].get<double>() < timed.optimizer.learning_rate);
}

TEST_CASE("a step over several batches has the gradient of one batch of all their documents") {
  const TrainingSetting setting;
  const auto first_step = [&](const std::string& output, std::int64_t batch_tokens, std::int64_t accumulate) {
    TrainingOptions options = setting.options(output);
    options.bf16 = false;
    options.documents.hint_share = 0;
    options.limits.steps = 1;
    options.batch_tokens = batch_tokens;
    options.accumulate = accumulate;
    train(options);
    return setting.log(output).front();
  };
  // 40 or 41 tokens a document: one of them fits 42 tokens, and eight fit 340.
  const Json one = first_step("one", 340, 1);
  const Json eight = first_step("eight", 42, 8);
  CHECK(eight["tokens"] == one["tokens"]);
  CHECK(eight["loss"].get<double>() == Approx(one["loss"].get<double>()).epsilon(1e-5));
  CHECK(eight["gradient_norm"].get<double>() == Approx(one["gradient_norm"].get<double>()).epsilon(1e-4));
}

TEST_CASE("the loss may be on prompts as well") {
  const TrainingSetting setting;
  TrainingOptions options = setting.options("all");
  options.learn_prompts = true;
  options.limits.steps = 60;
  // Half of a prompt is the same in all documents: what is learned of it is a lower loss.
  const double all = train(options).loss;
  options.learn_prompts = false;
  options.output = setting.folder / "reply";
  CHECK(train(options).loss != all);
  CHECK(Json::parse(setting.file("all", "training.json"))["learn_prompts"] == true);
}

TEST_CASE("the finished folder is a model, of the weights asked for, and training goes on from it") {
  const TrainingSetting setting;
  TrainingOptions options = setting.options("first");
  options.dtype = "f32";
  options.limits.steps = 30;
  train(options);
  CHECK(Engine(options.output, {}).info().dtype == "f32");
  TrainingOptions next = setting.options("second");
  next.tokenizer.clear();
  next.from = options.output;
  next.limits.steps = 1;
  train(next);
  CHECK(Json::parse(setting.file("second", "training.json"))["shape"] == Json({32, 64, 2, 2, 2, 128}));
  CHECK(Engine(next.output, {}).info().dtype == "bf16");
  CHECK(setting.log("second").front()["loss"].get<double>() < setting.log("first").front()["loss"].get<double>() / 2);
}

TEST_CASE("training.json records what was done") {
  const TrainingSetting setting;
  train(setting.options("model"));
  const Json record = Json::parse(setting.file("model", "training.json"));
  CHECK(record["data"][0]["file"] == "data.jsonl");
  CHECK(record["data"][0]["sha256"].get<std::string>().size() == 64);
  CHECK(record["mix"]["instruction"] == 1.0);
  CHECK(record["seen"]["steps"] == 12);
  CHECK(record["seen"]["tokens"].get<int>() > 12 * 200);
}

TEST_CASE("a loss that is no number stops the training and names the last good checkpoint") {
  const TrainingSetting setting;
  TrainingOptions options = setting.options("model");
  options.optimizer.learning_rate = 1e30;
  const std::string at_once = error_of([&] { train(options); });
  CHECK(contains(at_once, "there is no checkpoint yet; try a lower --learning-rate"));
  options.checkpoint_steps = 1;
  const std::string later = error_of([&] { train(options); });
  CHECK(contains(later, "step 2: the loss is "));
  CHECK(contains(later, "the last good checkpoint is "));
  CHECK(contains(later, "checkpoints/step-0000000001.safetensors"));
  CHECK(later.find('\n') == std::string::npos);
}

TEST_CASE("bad options, files and folders are one line each") {
  const TrainingSetting setting;
  const auto message = [&](const std::function<void(TrainingOptions&)>& spoil) {
    TrainingOptions options = setting.options("bad");
    spoil(options);
    std::string text = error_of([&] { train(options); });
    CHECK(text.find('\n') == std::string::npos);
    return text;
  };
  CHECK(contains(message([](TrainingOptions& o) { o.data.clear(); }), "--data"));
  CHECK(contains(message([](TrainingOptions& o) { o.output.clear(); }), "--out"));
  CHECK(contains(message([](TrainingOptions& o) { o.tokenizer.clear(); }), "--tokenizer"));
  CHECK(contains(message([](TrainingOptions& o) { o.limits = {}; }), "--steps"));
  CHECK(contains(message([](TrainingOptions& o) { o.limits.tokens = -1; }), "limit"));
  CHECK(contains(message([](TrainingOptions& o) { o.accumulate = 0; }), "--accumulate"));
  CHECK(contains(message([](TrainingOptions& o) { o.dtype = "f64"; }), "--dtype"));
  CHECK(contains(message([](TrainingOptions& o) { o.documents.mix = {1, 0, 0, 0}; }), "original"));
  CHECK(contains(message([](TrainingOptions& o) { o.documents.prompt_form = "absent"; }), "absent"));
  CHECK(contains(message([](TrainingOptions& o) { o.tokenizer = o.data[0]; }), "data.jsonl"));
  CHECK(contains(message([](TrainingOptions& o) { o.from = std::exchange(o.tokenizer, "") + "x"; }), "modelx"));
  CHECK(contains(message([](TrainingOptions& o) { o.shape.heads = 0; }), "num_attention_heads"));
  CHECK(contains(message([](TrainingOptions& o) { o.shape.hidden_size = std::int64_t{1} << 40; }), "hidden_size"));
  CHECK(contains(message([&](TrainingOptions& o) { o.data = {setting.folder.write("empty.jsonl", "")}; }), "empty"));
  CHECK(contains(message([&](TrainingOptions& o) { o.data = {setting.folder / "absent.jsonl"}; }), "absent.jsonl"));
  CHECK(contains(message([&](TrainingOptions& o) {
                   o.data = {setting.folder.write("late.jsonl", read_file(o.data[0]) + "{\"instruction\":\"Who?\"}\n")};
                 }),
                 "late.jsonl:9: "));
}

TEST_CASE("a checkpoint of other arguments, or a broken one, is refused") {
  const TrainingSetting setting;
  TrainingOptions options = setting.options("model");
  options.stop = stop_after(2);
  train(options);
  TrainingOptions other = options;
  other.seed = 9;
  CHECK(contains(error_of([&] { train(other); }), "other arguments or data"));
  const fs::path checkpoint = fs::path(options.output) / "checkpoints/step-0000000002.safetensors";
  const std::string bytes = read_file(checkpoint);
  write_file_atomically(checkpoint, bytes.substr(0, bytes.size() / 2));
  CHECK(contains(error_of([&] { train(options); }), "step-0000000002.safetensors"));
}

// Continual pre-training of a micro mixture over domains: shares that follow the losses, loads that are watched and
// evened, gates that are learned first, and all of it as if an interruption had not been.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "finetune/expert_monitor.h"
#include "model/checkpoint.h"
#include "model/mixture_weights.h"
#include "model/network.h"
#include "tests/catch.h"
#include "tests/finetune/training_setting.h"

using namespace mathtrap;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kExperts = 4;
constexpr std::int64_t kSelected = 2;

/// A mixture drawn at random, and two domains: one of few words, one of hardly predictable letters.
struct DomainSetting : TrainingSetting {
  DomainSetting() {
    ModelConfig config;
    config.architecture = Architecture::llama_moe;
    config.hidden_size = 32;
    config.intermediate_size = 64;
    config.num_hidden_layers = 2;
    config.num_attention_heads = 2;
    config.num_key_value_heads = 2;
    config.head_dim = 16;
    config.max_position_embeddings = 64;
    config.tie_word_embeddings = true;
    config.mixture.num_experts = kExperts;
    config.mixture.num_selects = kSelected;
    config.mixture.expert_sizes.assign(2, std::vector<std::int64_t>(kExperts, 16));
    config.mixture.score_scale = {4.0};
    config.mixture.add_noise = true;
    const std::string tokenizer = small_tokenizer_model(letter_pieces());
    config.vocab_size = Tokenizer(tokenizer, "small").vocab_size();
    Checkpoint checkpoint;
    checkpoint.config = config;
    checkpoint.tokenizer_model = tokenizer;
    for (const auto& [name, weight] : named_weights(random_network(config, 3))) checkpoint.tensors[name] = weight;
    write_hugging_face_folder(folder / "mixture", checkpoint);
    fs::create_directories(folder / "domains");
    for (const char* part : {"train", "validation"}) {
      std::string easy;
      std::string hard;
      for (int i = 0; i < 40; ++i) {
        easy += "{\"text\":\"the cat sat on the mat and the dog sat on the cat\"}\n";
        std::string letters;
        for (int k = 0; k < 50; ++k) letters += static_cast<char>('a' + (i * i * 31 + k * k * 17 + i * k) % 26);
        hard += fmt::format("{{\"text\":\"{}\"}}\n", letters);
      }
      folder.write(fmt::format("domains/easy.{}.jsonl", part), easy);
      folder.write(fmt::format("domains/hard.{}.jsonl", part), hard);
    }
  }

  TrainingOptions domain_options(const std::string& output) const {
    TrainingOptions options = this->options(output);
    options.tokenizer.clear();
    options.data.clear();
    options.from = folder / "mixture";
    options.domains = read_domains(folder / "domains");
    options.shards = folder / "shards";
    options.max_length = 32;
    options.bf16 = false;
    options.dtype = "f32";
    options.validation_steps = 4;
    options.validation_documents = 8;
    return options;
  }

  std::map<std::string, at::Tensor> weights(const std::string& output) const {
    return read_checkpoint(folder / output).tensors;
  }
};

}  // namespace

TEST_CASE("an interrupted training over domains goes on with the same shares, losses and biases, to the bit") {
  const DomainSetting setting;
  TrainingOptions options = setting.domain_options("whole");
  options.sampling = SamplingRule::excess;
  options.reference = options.from;
  options.bias_rate = 0.01;
  CHECK(train(options).finished);
  options.output = setting.folder / "parts";
  for (const int steps : {3, 4, 2}) {
    options.stop = stop_after(steps);
    CHECK_FALSE(train(options).finished);
  }
  options.stop = [] { return false; };
  CHECK(train(options).finished);
  CHECK(losses(setting.log("parts")) == losses(setting.log("whole")));
  CHECK(setting.log("parts").back()["mix"] == setting.log("whole").back()["mix"]);
  CHECK(setting.file("parts", "model.safetensors") == setting.file("whole", "model.safetensors"));
}

TEST_CASE("shares follow the rule from the losses that the log tells") {
  const DomainSetting setting;
  for (const SamplingRule rule : {SamplingRule::softmax, SamplingRule::excess}) {
    TrainingOptions options = setting.domain_options("training " + to_string(rule));
    options.sampling = rule;
    options.domains[0].reference_loss = 1.0;
    options.domains[1].reference_loss = 2.5;
    options.domain_weights = "hard:3,easy:1";
    options.update_steps = 6;
    train(options);
    std::vector<double> expected = {0.25, 0.75};
    int updates = 0;
    for (const Json& line : setting.log("training " + to_string(rule))) {
      CHECK(line.contains("mix") == (line["step"].get<int>() % 6 == 0));
      if (!line.contains("mix")) continue;
      const Json& held_out = line["validation"];
      expected = updated_weights(rule, expected, {held_out["easy"]["loss"], held_out["hard"]["loss"]}, {1.0, 2.5});
      CHECK(line["mix"]["easy"].get<double>() == Approx(expected[0]));
      CHECK(line["mix"]["hard"].get<double>() == Approx(expected[1]));
      ++updates;
    }
    CHECK(updates == 2);
  }
}

TEST_CASE("the losses of domains make up the loss of a step, and held-out text is told by perplexity") {
  const DomainSetting setting;
  TrainingOptions options = setting.domain_options("model");
  options.optimizer.learning_rate = 1e-9;
  train(options);
  double easy = 0;
  for (const Json& line : setting.log("model")) {
    double least = INFINITY;
    double most = 0;
    for (const auto& [name, loss] : line["losses"].items()) {
      least = std::min(least, loss.get<double>());
      most = std::max(most, loss.get<double>());
    }
    CHECK(line["loss"].get<double>() >= Approx(least));
    CHECK(line["loss"].get<double>() <= Approx(most));
    if (line["losses"].contains("easy")) easy = line["losses"]["easy"];
  }
  // Nothing is learned at this rate, and easy's windows are much alike.
  const Json last = setting.log("model").back()["validation"]["easy"];
  CHECK(last["loss"].get<double>() == Approx(easy).epsilon(0.02));
  CHECK(last["perplexity"].get<double>() == Approx(std::exp(last["loss"].get<double>())));
  CHECK(last["windows"] == 8);
}

TEST_CASE("each step's load counts every pair of token and expert, and heat maps are shares") {
  const DomainSetting setting;
  for (const bool recompute : {false, true}) {
    TrainingOptions options = setting.domain_options(recompute ? "recomputed" : "kept");
    options.recompute = recompute;
    train(options);
  }
  const std::vector<Json> log = setting.log("kept");
  for (const Json& line : log) {
    CHECK(line["load_variation"].get<double>() >= 0);
    CHECK(line["dropped"] == 0);
    CHECK(line.contains("experts") == (line["step"].get<int>() % 4 == 0));
    if (!line.contains("experts")) continue;
    for (const char* map : {"load", "importance"}) {
      REQUIRE(line["experts"][map].size() == 2);
      for (const Json& layer : line["experts"][map]) {
        REQUIRE(layer.size() == kExperts);
        CHECK(std::accumulate(layer.begin(), layer.end(), 0.0, [](double sum, const Json& share) {
                return sum + share.get<double>();
              }) == Approx(1).margin(5e-4));
      }
    }
  }
  CHECK(losses(setting.log("recomputed")) == losses(log));
  CHECK(setting.log("recomputed").back()["experts"] == log.back()["experts"]);
}

TEST_CASE("what is beyond an expert's capacity is dropped, and counted") {
  const DomainSetting setting;
  Checkpoint checkpoint = read_checkpoint(setting.folder / "mixture");
  checkpoint.config.mixture.gate = GateKind::switch_balanced;
  checkpoint.config.mixture.capacity_factor = 0.5;
  checkpoint.config.mixture.add_noise = false;
  std::erase_if(checkpoint.tensors, [](const auto& named) { return named.first.find("noise") != std::string::npos; });
  write_hugging_face_folder(setting.folder / "capacity", checkpoint);
  TrainingOptions options = setting.domain_options("model");
  options.from = setting.folder / "capacity";
  train(options);
  // At most half of what an even load would give each expert is computed.
  std::int64_t before = 0;
  for (const Json& line : setting.log("model")) {
    const auto tokens = line["tokens"].get<std::int64_t>();
    const auto pairs = static_cast<double>((tokens - before) * kSelected * 2);
    before = tokens;
    CHECK(line["dropped"].get<double>() >= pairs / 2 - 1);
    CHECK(line["dropped"].get<double>() < pairs);
  }
}

TEST_CASE("biases of selection go up for experts below the mean load and down for those above") {
  const DomainSetting setting;
  TrainingOptions options = setting.domain_options("one");
  options.bias_rate = 0.01;
  options.limits.steps = 1;
  options.validation_steps = 1;
  train(options);
  const Json load = setting.log("one").back()["experts"]["load"];
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const at::Tensor bias = setting.weights("one")[fmt::format("model.layers.{}.mlp.gate.selection_bias", layer)];
    for (std::size_t expert = 0; expert < kExperts; ++expert) {
      const double share = load[layer][expert];
      if (std::abs(share - 0.25) < 1e-4) continue;  // the log rounds
      CHECK(bias.data_ptr<float>()[expert] == Approx(share < 0.25 ? 0.01 : -0.01));
    }
  }
  // Given time, it evens a load that the balance loss does not touch.
  Checkpoint checkpoint = read_checkpoint(setting.folder / "mixture");
  checkpoint.config.mixture.balance_loss_weight = 0;
  checkpoint.config.mixture.selection_bias = true;
  for (std::size_t layer = 0; layer < 2; ++layer) {
    at::Tensor bias = setting.weights("one")[fmt::format("model.layers.{}.mlp.gate.selection_bias", layer)].clone();
    bias.fill_(0);
    bias.data_ptr<float>()[0] = 0.2F;  // the first expert is favoured
    checkpoint.tensors[fmt::format("model.layers.{}.mlp.gate.selection_bias", layer)] = bias;
  }
  write_hugging_face_folder(setting.folder / "favoured", checkpoint);
  options.from = setting.folder / "favoured";
  options.output = setting.folder / "evened";
  options.limits.steps = 40;
  train(options);
  const std::vector<Json> log = setting.log("evened");
  CHECK(log.back()["load_variation"].get<double>() < 0.7 * log.front()["load_variation"].get<double>());
}

TEST_CASE("the gates alone are learned in a warm-up, or all but the gates") {
  const DomainSetting setting;
  TrainingOptions options = setting.domain_options("gates");
  options.learned = LearnedWeights::gates;
  train(options);
  const auto before = setting.weights("mixture");
  for (const auto& [name, weight] : setting.weights("gates")) {
    CHECK(weight.equal(before.at(name)) == !is_gate_weight(name));
  }
  options.learned = LearnedWeights::all_but_gates;
  options.output = setting.folder / "others";
  train(options);
  for (const auto& [name, weight] : setting.weights("others")) {
    CHECK(weight.equal(before.at(name)) == is_gate_weight(name));
  }
  options.learned = LearnedWeights::all;
  options.gate_warmup_steps = 5;
  options.output = setting.folder / "both";
  CHECK(train(options).spent.steps == 12);
  CHECK(setting.log("both/gate-warmup").size() == 5);
  const auto warm = setting.weights("both/gate-warmup");
  CHECK(warm.at("model.norm.weight").equal(before.at("model.norm.weight")));
  CHECK_FALSE(warm.at("model.layers.0.mlp.gate.gate_network.0.weight")
                  .equal(before.at("model.layers.0.mlp.gate.gate_network.0.weight")));
}

TEST_CASE("what a training over domains cannot do is one line each") {
  const DomainSetting setting;
  const auto expect = [&](const auto& change, const std::string& part) {
    TrainingOptions options = setting.domain_options("refused");
    change(options);
    std::string message = "no error";
    try {
      train(options);
    } catch (const Error& error) {
      message = error.what();
    }
    CHECK_THAT(message, Catch::Matchers::Contains(part));
    CHECK(message.find('\n') == std::string::npos);
  };
  expect([](TrainingOptions& o) { o.sampling = SamplingRule::softmax; }, "'easy' has no reference loss");
  expect(
      [](TrainingOptions& o) {
        o.sampling = SamplingRule::softmax;
        o.domains[1].validation.clear();
        o.domains[0].reference_loss = 1;
      },
      "no held-out texts of 'hard'");
  expect(
      [](TrainingOptions& o) {
        o.sampling = SamplingRule::softmax;
        o.reference = "zoo:organism";
      },
      "has another tokenizer than the model that is trained");
  expect([&](TrainingOptions& o) { o.data = {setting.folder / "data.jsonl"}; }, "not both");
  expect([](TrainingOptions& o) { o.bias_rate = -1; }, "--bias-rate");
  expect([](TrainingOptions& o) { o.validation_documents = 0; }, "--validation-documents");
  expect(
      [&](TrainingOptions& o) {
        TrainingOptions dense = setting.options("dense");
        dense.limits.steps = 1;
        train(dense);
        o.from = dense.output;
        o.learned = LearnedWeights::gates;
      },
      "is no mixture of experts");
}

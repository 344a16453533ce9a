// From the shipped dense model to mixtures: what every construction must keep, and what scales and statistics are.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/mixture.h"
#include "model/model_path.h"
#include "model/network.h"
#include "moe/construct.h"
#include "moe/split.h"
#include "moe/statistics.h"
#include "support/files.h"
#include "tests/catch.h"
#include "tests/model/scratch.h"

using namespace mathtrap;

namespace {

constexpr std::int64_t kWindow = 32;

std::string dense_path() {
  return resolve_model_path("zoo:organism");
}

const Checkpoint& dense_checkpoint() {
  static const Checkpoint checkpoint = read_checkpoint(dense_path());
  return checkpoint;
}

std::string training_text() {
  std::string text;
  for (int i = 0; i < 60; ++i) {
    text += fmt::format(
        "Question: Tom has {} apples and buys {} more. How many apples does he have?\nAnswer: {} + {} = ", i,
        3 * i % 17, i, 3 * i % 17);
    text += fmt::format("{}. The answer is {}.\n", i + 3 * i % 17, i + 3 * i % 17);
  }
  return text;
}

ConstructOptions options_for(const ScratchFolder& folder, const std::string& method) {
  ConstructOptions options;
  options.from = dense_path();
  options.out = folder / "model";
  options.method = method;
  options.data = {folder.write("text.txt", training_text())};
  options.window = kWindow;
  options.tokens = 1024;
  return options;
}

at::Tensor logits_of(const Network& network) {
  const at::NoGradGuard no_gradients;
  const std::vector<std::int64_t> tokens = {1, 300, 21, 7, 560, 44, 812, 13, 90, 400, 5, 77};
  return training_forward(network, at::tensor(tokens), {{0, 12}}, {}).to(at::kDouble);
}

double difference_from_dense(const std::string& folder) {
  const at::Tensor dense = logits_of(make_network(dense_checkpoint(), "cpu"));
  const at::Tensor mixture = logits_of(make_network(read_checkpoint(folder), "cpu"));
  return (dense - mixture).abs().max().item<double>() / dense.abs().max().item<double>();
}

/// Rows as sorted strings of bytes, so that sets of neurons can be compared.
std::vector<std::string> sorted_rows(const at::Tensor& rows) {
  const at::Tensor whole = rows.contiguous();
  const auto bytes = static_cast<std::size_t>(whole.size(1)) * whole.element_size();
  std::vector<std::string> result;
  for (std::int64_t i = 0; i < whole.size(0); ++i) {
    result.emplace_back(static_cast<const char*>(whole[i].data_ptr()), bytes);
  }
  std::sort(result.begin(), result.end());
  return result;
}

/// A neuron as one row: its row of gate and of up, and its column of down.
at::Tensor neurons_of(const at::Tensor& gate, const at::Tensor& up, const at::Tensor& down) {
  return at::cat({gate, up, down.t()}, 1);
}

TextWindows windows_of(const ConstructOptions& options) {
  const Checkpoint& dense = dense_checkpoint();
  const Tokenizer tokenizer(dense.tokenizer_model, "model");
  return cut_windows(tokenizer, static_cast<TokenId>(dense.config.bos_token_id), read_file(options.data.front()),
                     options.window, options.tokens);
}

}  // namespace

TEST_CASE("with all experts selected, what shares out every neuron once computes what the dense model does") {
  struct Case {
    const char* method;
    std::int64_t experts;
    std::int64_t shared;
  };
  for (const Case& wanted :
       {Case{"random", 8, 0}, Case{"clustering", 4, 0}, Case{"coactivation", 8, 0}, Case{"gradient", 8, 0},
        Case{"sharing-inter", 7, 1}, Case{"gradient-split", 6, 2}, Case{"cmoe", 7, 1}, Case{"upcycle", 3, 0}}) {
    INFO(wanted.method);
    const ScratchFolder folder;
    ConstructOptions options = options_for(folder, wanted.method);
    options.experts = options.select = wanted.experts;
    options.shared = wanted.shared;
    const Construction construction = construct_experts(options);
    CHECK(construction.layers.size() == 6);
    for (const ConstructedLayer& layer : construction.layers) CHECK(layer.left_out == 0);
    CHECK(difference_from_dense(options.out) < 1e-5);
    // The same weights as before, neuron for neuron, in other places.
    if (std::string_view(wanted.method) == "upcycle") continue;
    const Network mixture = make_network(read_checkpoint(options.out), "cpu");
    for (std::size_t i = 0; i < 6; ++i) {
      const MixtureWeights& weights = mixture.layers[i].mixture;
      std::vector<at::Tensor> parts;
      for (const ExpertWeights& expert : weights.experts) {
        parts.push_back(neurons_of(expert.gate, expert.up, expert.down));
      }
      if (wanted.shared > 0) parts.push_back(neurons_of(weights.shared.gate, weights.shared.up, weights.shared.down));
      const auto dense = [&](const char* name) {
        return dense_checkpoint().tensors.at(fmt::format("model.layers.{}.mlp.{}_proj.weight", i, name));
      };
      CHECK(sorted_rows(at::cat(parts)) == sorted_rows(neurons_of(dense("gate"), dense("up"), dense("down"))));
    }
  }
}

TEST_CASE("copies of the whole layer compute what it does, however many are selected") {
  const ScratchFolder folder;
  ConstructOptions options = options_for(folder, "upcycle");
  options.experts = 4;
  options.select = 2;
  construct_experts(options);
  CHECK(difference_from_dense(options.out) < 1e-5);
  options.method = "drop-upcycle";
  options.drop_share = 0.25;
  options.out = folder / "dropped";
  construct_experts(options);
  CHECK(difference_from_dense(options.out) > 1e-3);
  const Network network = make_network(read_checkpoint(options.out), "cpu");
  const at::Tensor dense = dense_checkpoint().tensors.at("model.layers.2.mlp.up_proj.weight");
  const at::Tensor up = network.layers[2].mixture.experts[1].up;
  const at::Tensor kept = up.eq(dense).all(1);
  CHECK(kept.sum().item<std::int64_t>() == 384);  // three quarters of 512
  const at::Tensor fresh = up.to(at::kFloat).index({kept.logical_not()});
  CHECK(fresh.std().item<double>() == Approx(dense.to(at::kFloat).std().item<double>()).epsilon(0.05));
}

TEST_CASE("the scale of scores: published, mean, none, a number, and calibrated to the dense layer's size") {
  struct Case {
    const char* scale;
    double factor;
    bool multiplied;
  };
  for (const Case& wanted : {Case{"published", 4, true}, Case{"mean", 8, true}, Case{"auto", 2, true},
                             Case{"unit", 2, true}, Case{"none", 1, false}, Case{"2.5", 2.5, true}}) {
    const ScratchFolder folder;
    ConstructOptions options = options_for(folder, "random");
    options.scale = wanted.scale;
    construct_experts(options);
    const MixtureConfig mixture = read_checkpoint(options.out).config.mixture;
    CHECK(mixture.score_scale == std::vector<double>(6, wanted.factor));
    CHECK(mixture.multiply_scores == wanted.multiplied);
  }
  for (const std::int64_t shared : {0, 1}) {
    const ScratchFolder folder;
    ConstructOptions options = options_for(folder, "cmoe");
    options.experts = 8 - shared;
    options.shared = shared;
    options.scale = "calibrated";
    construct_experts(options);
    const Network dense = make_network(dense_checkpoint(), "cpu");
    const Network mixture = make_network(read_checkpoint(options.out), "cpu");
    const at::NoGradGuard no_gradients;
    std::vector<double> wanted(6);
    std::vector<double> found(6);
    Observers observers;
    observers.dense = [&](std::size_t layer, const at::Tensor& input, const at::Tensor& activation) {
      const at::Tensor down = dense.layers[layer].down.to(at::kFloat);
      const at::Tensor whole = activation.matmul(down.t()).square().sum(1);
      const MixtureOutput output =
          mix_experts(input, mixture.layers[layer].mixture, mixture.config, layer, Arithmetic::as_stored, 0);
      // Each token by its own size.
      found[layer] += (output.delta.square().sum(1) / whole).sum().item<double>();
      wanted[layer] += static_cast<double>(input.size(0));
    };
    TrainingForward forward;
    forward.observers = &observers;
    for (const std::vector<TokenId>& window : windows_of(options)) {
      const std::vector<std::int64_t> tokens(window.begin(), window.end());
      training_forward(dense, at::tensor(tokens), {{0, kWindow}}, forward);
    }
    for (std::size_t layer = 0; layer < 6; ++layer) CHECK(found[layer] == Approx(wanted[layer]).epsilon(1e-3));
  }
}

TEST_CASE("CMoE's gate is made of rows of the dense layer, the clusters' of their centroids; a pruned model is dense") {
  const ScratchFolder folder;
  ConstructOptions options = options_for(folder, "cmoe");
  construct_experts(options);
  Network network = make_network(read_checkpoint(options.out), "cpu");
  CHECK(network.config.mixture.gate_network == GateNetwork::analytic);
  const at::Tensor rows = dense_checkpoint().tensors.at("model.layers.1.mlp.gate_proj.weight");
  for (std::int64_t expert = 0; expert < 8; ++expert) {
    const at::Tensor row = network.layers[1].mixture.gate.analytic_gate[expert];
    CHECK(network.layers[1].mixture.experts[static_cast<std::size_t>(expert)].gate.eq(row).all(1).any().item<bool>());
    CHECK(rows.eq(row).all(1).any().item<bool>());
  }
  options.method = "gradient-split";
  options.out = folder / "split";
  construct_experts(options);
  CHECK(read_checkpoint(options.out).config.mixture.gate_network == GateNetwork::linear);
  for (const char* method : {"prune-random", "prune-gradient"}) {
    options.method = method;
    options.out = folder / method;
    construct_experts(options);
    const Checkpoint pruned = read_checkpoint(options.out);
    CHECK(pruned.config.mixture.is_dense());
    CHECK(pruned.config.intermediate_size == 128);  // 2 of 8 parts of 512
  }
}

TEST_CASE("importance is |h * dL/dh|, which a finite difference confirms where one token decides") {
  // Of two tokens only the first has a target, and in the last layer only its own activation matters for it.
  const Network network = make_network(dense_checkpoint(), "cpu");
  const TextWindows windows = {{1, 300}};
  TextStatistics statistics;
  statistics.layers.resize(6);
  StatisticsFile unkept;
  collect_importance(
      network, windows,
      [](std::size_t, std::size_t, const at::Tensor&) {
        return at::tensor(std::vector<std::int64_t>{1, 0});
      },
      2, unkept, statistics);
  CHECK(statistics.layers[5].importance[0].abs().max().item<double>() == 0);  // the second token's group
  const at::Tensor importance = statistics.layers[5].importance[1];
  const at::NoGradGuard no_gradients;
  const at::Tensor down = network.layers[5].down.to(at::kFloat);
  const auto loss_with = [&](std::int64_t neuron, double factor) {
    Network changed = network;
    changed.layers[5].down = down.clone();
    changed.layers[5].down.select(1, neuron).mul_(factor);
    const at::Tensor logits = training_forward(changed, at::tensor(std::vector<std::int64_t>{1, 300}), {{0, 2}}, {});
    return -logits.to(at::kDouble).log_softmax(1)[0][300].item<double>();
  };
  const at::Tensor order = importance.argsort(0, /*descending=*/true);
  for (const std::int64_t rank : {0, 1, 5, 40}) {
    const auto neuron = order[rank].item<std::int64_t>();
    const double slope = (loss_with(neuron, 1.01) - loss_with(neuron, 0.99)) / 0.02;
    CHECK(importance[neuron].item<double>() == Approx(std::abs(slope)).epsilon(0.02).margin(1e-4));
  }
}

TEST_CASE("what construction cannot do is refused, with the option's name, and nothing is left behind") {
  const ScratchFolder folder;
  const auto refusal = [&](const std::function<void(ConstructOptions&)>& change) {
    ConstructOptions options = options_for(folder, "random");
    change(options);
    return error_of([&] { construct_experts(options); });
  };
  CHECK(contains(refusal([](auto& o) { o.method = "magic"; }), "--method magic: it is one of random, clustering"));
  CHECK(contains(refusal([](auto& o) { o.select = 9; }), "--select 9: it must be from 1 to the 8 experts"));
  CHECK(contains(refusal([](auto& o) { o.shared = 1; }), "--shared 1"));
  CHECK(contains(refusal([](auto& o) { o.scale = "big"; }), "--scale big"));
  CHECK(contains(refusal([](auto& o) { o.router = "clusters"; }), "--router clusters: the method random"));
  CHECK(contains(refusal([](auto& o) { o.gate = "uniform"; }), "use --select 8"));
  CHECK(contains(refusal([](auto& o) { o.experts = 7; }), "512"));
  CHECK(contains(refusal([](auto& o) { o.method = "cmoe", o.data.clear(); }), "--data FILE.txt"));
  CHECK(contains(refusal([](auto& o) { o.router = "trained", o.data.clear(); }), "--data FILE.txt"));
  CHECK(contains(refusal([](auto& o) { o.with = {"x"}; }), "--with: other models are for --method merge"));
  CHECK(contains(refusal([](auto& o) { o.method = "merge"; }), "--with MODEL"));
  CHECK(contains(refusal([](auto& o) { o.method = "merge", o.with = {o.from}; }), "--data: give no text, or 2"));
  CHECK(
      contains(refusal([](auto& o) { o.method = "merge", o.with = {o.from}, o.data.clear(), o.scale = "calibrated"; }),
               "no one dense layer"));
  for (const auto& [change, option] : std::vector<std::pair<std::function<void(ConstructOptions&)>, const char*>>{
           {[](auto& o) { o.gate = "switch"; }, "--gate switch"},
           {[](auto& o) { o.router = "mlp"; }, "--router mlp"},
           {[](auto& o) { o.scale = "none"; }, "--scale none"},
           {[](auto& o) { o.scale = "calibrated"; }, "--scale calibrated"},
           {[](auto& o) { o.learned_scale = true; }, "--learned-scale"}}) {
    CHECK(contains(refusal([change = change](auto& o) {
                     o.layout = "mixtral";
                     change(o);
                   }),
                   fmt::format("{} with --layout mixtral", option)));
  }
  CHECK(contains(refusal([](auto& o) { o.method = "cmoe", o.tokens = 1, o.window = 2; }), "--tokens 1"));
  CHECK(contains(refusal([&](auto& o) { o.method = "cmoe", o.data = {folder.write("short.txt", "a b")}; }),
                 "not one window of 32"));
  CHECK_FALSE(std::filesystem::exists(std::filesystem::path(folder / "model") / "config.json"));
  ConstructOptions options = options_for(folder, "random");
  construct_experts(options);
  CHECK(contains(error_of([&] { construct_experts(options); }), "already holds a model"));
  options.from = options.out;
  options.out = folder / "again";
  CHECK(contains(error_of([&] { construct_experts(options); }), "a mixture of experts already"));
}

// The gates of constructed mixtures beyond those of each method: Mixtral's layout, merged models, a learned scale, and
// a gate that was taught which experts matter.
#include <ATen/TensorOperators.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/mixture.h"
#include "model/model_path.h"
#include "model/network.h"
#include "model/tokenizer.h"
#include "moe/construct.h"
#include "moe/partition.h"
#include "moe/router_training.h"
#include "support/files.h"
#include "support/json.h"
#include "support/random.h"
#include "tests/catch.h"
#include "tests/model/scratch.h"

using namespace mathtrap;

namespace {

constexpr std::int64_t kExperts = 4;

const Checkpoint& organism() {
  static const Checkpoint checkpoint = read_checkpoint(resolve_model_path("zoo:organism"));
  return checkpoint;
}

ConstructOptions gate_options(const ScratchFolder& folder, const std::string& out) {
  ConstructOptions options;
  options.from = resolve_model_path("zoo:organism");
  options.out = folder / out;
  options.experts = kExperts;
  options.window = 32;
  options.tokens = 2048;
  options.stop = [] { return false; };
  return options;
}

std::string apples(int first) {
  std::string text;
  for (int i = first; i < first + 80; ++i) {
    text += fmt::format("Question: Tom has {} apples and buys {} more. How many apples does he have?\n", i, 3 * i % 17);
  }
  return text;
}

at::Tensor logits_of_network(const Network& network) {
  const at::NoGradGuard no_gradients;
  const std::vector<std::int64_t> tokens = {1, 300, 21, 7, 560, 44, 812, 13, 90, 400, 5, 77};
  return training_forward(network, at::tensor(tokens), {{0, 12}}, {}).to(at::kDouble);
}

double relative_difference(const Network& one, const Network& other) {
  const at::Tensor a = logits_of_network(one);
  return (a - logits_of_network(other)).abs().max().item<double>() / a.abs().max().item<double>();
}

Network network_at(const std::string& folder) {
  return make_network(read_checkpoint(folder), "cpu");
}

at::Tensor normal_rows(std::int64_t rows, std::int64_t columns, const char* name) {
  at::Tensor tensor = at::zeros({rows, columns}, at::kFloat);
  Random random(5, name);
  for (std::int64_t i = 0; i < tensor.numel(); ++i) tensor.data_ptr<float>()[i] = static_cast<float>(random.normal());
  return tensor;
}

}  // namespace

TEST_CASE("in Mixtral's layout all experts with equal logits are the dense model, and the file is one of Mixtral's") {
  const ScratchFolder folder;
  ConstructOptions options = gate_options(folder, "all");
  options.layout = "mixtral";
  options.select = kExperts;
  construct_experts(options);
  CHECK(relative_difference(make_network(organism(), "cpu"), network_at(options.out)) < 1e-5);
  const Json config = parse_json(read_file(std::filesystem::path(options.out) / "config.json"), {});
  CHECK(config["model_type"] == "mixtral");
  CHECK(config["num_local_experts"] == kExperts);
  CHECK(config["intermediate_size"] == 512 / kExperts);
  CHECK(read_weights(options.out).contains("model.layers.5.block_sparse_moe.experts.3.w2.weight"));
  // A split by clusters of inputs makes its gate; shared experts are LLaMA-MoE v2's residual.
  options = gate_options(folder, "split");
  options.layout = "mixtral";
  options.method = "gradient-split";
  options.experts = 7;
  options.shared = 1;
  options.data = {folder.write("text.txt", apples(1))};
  construct_experts(options);
  CHECK(read_weights(options.out).contains("model.layers.0.mlp_residual.w1.weight"));
  // The scale of two selected experts lies in their weights, where any program finds it.
  const Checkpoint split = read_checkpoint(options.out);
  CHECK(split.config.mixture.score_scale == std::vector<double>{1});
  const at::Tensor columns = organism().tensors.at("model.layers.1.mlp.down_proj.weight").t() * 2;
  const at::Tensor first = split.tensors.at("model.layers.1.block_sparse_moe.experts.0.w2.weight").t()[0];
  CHECK(columns.eq(first).all(1).any().item<bool>());
}

TEST_CASE("merged models are an expert each, beside the attention of the first") {
  const ScratchFolder folder;
  Checkpoint other = organism();
  for (auto& [name, tensor] : other.tensors) {
    if (name.find(".mlp.") != name.npos) tensor = tensor.to(at::kFloat) * 1.5;
  }
  write_hugging_face_folder(folder / "other", other);
  ConstructOptions options = gate_options(folder, "merged");
  options.method = "merge";
  options.with = {folder / "other"};
  options.select = 1;
  options.data = {folder.write("apples.txt", apples(1)),
                  folder.write("code.txt", apples(2) + std::string(2000, '#') + "def f(x): return x\n")};
  construct_experts(options);
  const Network merged = network_at(options.out);
  CHECK(merged.config.mixture.num_experts == 2);
  CHECK(merged.layers[3].mixture.experts[0].up.equal(organism().tensors.at("model.layers.3.mlp.up_proj.weight")));
  CHECK(merged.layers[3].mixture.experts[1].up.equal(other.tensors.at("model.layers.3.mlp.up_proj.weight")));
  CHECK(merged.layers[3].query.equal(organism().tensors.at("model.layers.3.self_attn.q_proj.weight")));
  // Rows of the gate are what the texts' mean inputs differ by: they cancel.
  CHECK(merged.layers[3].mixture.gate.linear.sum(0).abs().max().item<double>() < 0.02);
  CHECK(merged.layers[3].mixture.gate.linear.abs().max().item<double>() > 0.02);
  // A model merged with itself is that model, whatever is selected.
  options = gate_options(folder, "same");
  options.method = "merge";
  options.with = {options.from, options.from};
  construct_experts(options);
  CHECK(relative_difference(make_network(organism(), "cpu"), network_at(options.out)) < 1e-5);

  Checkpoint small = organism();
  small.config.num_hidden_layers = 5;
  std::erase_if(small.tensors, [](const auto& named) { return named.first.find("layers.5.") != std::string::npos; });
  write_hugging_face_folder(folder / "small", small);
  options = gate_options(folder, "refused");
  options.method = "merge";
  options.with = {folder / "small"};
  std::string message;
  try {
    construct_experts(options);
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK(message.find("5 layers of 192 and 512 neurons do not go with the 6 layers") != std::string::npos);
}

TEST_CASE("a drawn top-k gate has noise, which counts in training alone; without it the gate is the same") {
  const ScratchFolder folder;
  ConstructOptions options = gate_options(folder, "noisy");
  construct_experts(options);
  options.out = folder / "quiet";
  options.gate_noise = false;
  construct_experts(options);
  const Network noisy = network_at(folder / "noisy");
  const Network quiet = network_at(options.out);
  CHECK(noisy.config.mixture.add_noise);
  CHECK(noisy.layers[0].mixture.gate.noise.defined());
  CHECK_FALSE(quiet.config.mixture.add_noise);
  CHECK_FALSE(quiet.layers[0].mixture.gate.noise.defined());
  CHECK(relative_difference(noisy, quiet) == 0);
}

TEST_CASE("a learned scale begins as the scale that it replaces, and has a gradient") {
  const ScratchFolder folder;
  ConstructOptions options = gate_options(folder, "fixed");
  construct_experts(options);
  options.out = folder / "learned";
  options.learned_scale = true;
  construct_experts(options);
  const Network fixed = network_at(folder / "fixed");
  Network learned = network_at(options.out);
  CHECK(learned.config.mixture.score_scale == std::vector<double>(6, 1.0));
  CHECK(learned.layers[2].mixture.score_scale.item<double>() == 2);  // of two selected
  CHECK(relative_difference(fixed, learned) < 1e-6);
  // d output / d scale is the experts' part of the output over the scale.
  MixtureWeights weights = learned.layers[2].mixture;
  weights.score_scale = weights.score_scale.to(at::kFloat).clone().requires_grad_(true);
  learned.config.mixture.add_noise = false;
  const at::Tensor x = normal_rows(9, 192, "inputs");
  const at::AutoGradMode with_gradients(true);
  const at::Tensor delta = mix_experts(x, weights, learned.config, 2, Arithmetic::as_stored, 0).delta;
  delta.sum().backward();
  CHECK(weights.score_scale.grad().item<double>() == Approx(delta.detach().sum().item<double>() / 2).epsilon(1e-4));
}

TEST_CASE("activations of experts are the sums of their neurons' |h|") {
  LayerWeights dense;
  dense.gate = normal_rows(6, 8, "gate");
  dense.up = normal_rows(6, 8, "up");
  const at::Tensor x = normal_rows(5, 8, "x");
  const std::vector<std::vector<std::int64_t>> experts = {{0, 4}, {5, 1}, {2, 3}};
  const at::Tensor found = expert_activations(x, dense, experts);
  for (std::int64_t token = 0; token < 5; ++token) {
    for (std::int64_t expert = 0; expert < 3; ++expert) {
      double sum = 0;
      for (const std::int64_t neuron : experts[static_cast<std::size_t>(expert)]) {
        const double gate = x[token].dot(dense.gate[neuron]).item<double>();
        const double up = x[token].dot(dense.up[neuron]).item<double>();
        sum += std::abs(gate / (1 + std::exp(-gate)) * up);
      }
      CHECK(found[token][expert].item<double>() == Approx(sum).epsilon(1e-4));
    }
  }
}

TEST_CASE("an expert's share is what its neurons add, by importance or by the length of their columns") {
  LayerWeights dense;
  dense.gate = normal_rows(6, 8, "gate");
  dense.up = normal_rows(6, 8, "up");
  dense.down = normal_rows(8, 6, "down");
  const at::Tensor x = normal_rows(5, 8, "x");
  const std::vector<std::vector<std::int64_t>> experts = {{0, 4}, {5, 1}};  // neurons 2 and 3 are shared
  const at::Tensor importance = normal_rows(3, 6, "importance").abs().to(at::kDouble);
  std::vector<std::vector<double>> sizes(5, std::vector<double>(6));  // |h|
  for (std::int64_t token = 0; token < 5; ++token) {
    for (std::int64_t neuron = 0; neuron < 6; ++neuron) {
      const double gate = x[token].dot(dense.gate[neuron]).item<double>();
      const double up = x[token].dot(dense.up[neuron]).item<double>();
      sizes[static_cast<std::size_t>(token)][static_cast<std::size_t>(neuron)] =
          std::abs(gate / (1 + std::exp(-gate)) * up);
    }
  }
  for (const bool is_by_importance : {true, false}) {
    const auto weight_of = [&](std::int64_t neuron) {
      if (!is_by_importance) return dense.down.select(1, neuron).norm().item<double>();
      double sum = 0;
      for (const std::vector<double>& row : sizes) sum += row[static_cast<std::size_t>(neuron)];
      return importance.select(1, neuron).sum().item<double>() / sum;
    };
    const at::Tensor found = expert_shares(x, dense, is_by_importance ? importance : at::Tensor(), experts);
    for (std::int64_t token = 0; token < 5; ++token) {
      const std::vector<double>& row = sizes[static_cast<std::size_t>(token)];
      const double first = row[0] * weight_of(0) + row[4] * weight_of(4);
      const double second = row[5] * weight_of(5) + row[1] * weight_of(1);
      CHECK(found[token][0].item<double>() == Approx(first / (first + second)).epsilon(1e-4));
      CHECK(found[token][1].item<double>() == Approx(second / (first + second)).epsilon(1e-4));
    }
  }
}

TEST_CASE("a fitted router is the least of its sum of squares, and finds the experts that matter") {
  const at::Tensor x = normal_rows(3000, 16, "tokens");
  const at::Tensor directions = normal_rows(6, 16, "directions");
  const at::Tensor sizes = (x.matmul(directions.t()) * 0.5).exp().to(at::kDouble);
  const at::Tensor shares = sizes / sizes.sum(1, true);
  const at::Tensor train = x.narrow(0, 0, 2000);
  GateWeights gate;
  gate.linear = fit_router(train, shares.narrow(0, 0, 2000));
  // At the least the gradient is zero: X^T (X G - S) + ridge G = 0, each expert by itself, in sums over tokens.
  const at::Tensor wide = train.to(at::kDouble);
  const at::Tensor solution = gate.linear.to(at::kDouble).t();
  const double ridge = 0.01 * wide.square().sum().item<double>() / 16;
  const at::Tensor pull = wide.t().matmul(shares.narrow(0, 0, 2000));
  const at::Tensor gradient = wide.t().matmul(wide.matmul(solution)) - pull + solution * ridge;
  CHECK(gradient.abs().max().item<double>() < 1e-5 * pull.abs().max().item<double>());
  CHECK(router_recall(x.narrow(0, 2000, 1000), shares.narrow(0, 2000, 1000), 2, gate) > 0.85);
  CHECK(error_of([&] {
          fit_router(at::zeros({4, 16}), shares.narrow(0, 0, 4));
        }).find("--router fitted") != std::string::npos);
}

TEST_CASE("a router learns which experts are active, by either loss, and the same for the same seed") {
  const at::Tensor x = normal_rows(3000, 16, "tokens");
  // Planted: each expert is active along a direction of its own.
  const at::Tensor directions = normal_rows(6, 16, "directions");
  const at::Tensor activations = x.matmul(directions.t()).exp();
  const at::Tensor train = x.narrow(0, 0, 2000);
  const at::Tensor held_out = x.narrow(0, 2000, 1000);
  for (const RouterLoss loss : {RouterLoss::top_k, RouterLoss::divergence}) {
    RouterTraining training;
    training.loss = loss;
    training.select = 2;
    GateWeights gate;
    gate.mlp_input = normal_rows(6, 16, "first") * 0.1;
    gate.mlp_output = normal_rows(6, 6, "second") * 0.1;
    GateWeights again = gate;
    const double before = router_recall(held_out, activations.narrow(0, 2000, 1000), 2, gate);
    CHECK(before < 0.7);
    train_router(train, activations.narrow(0, 0, 2000), training, gate);
    CHECK(router_recall(held_out, activations.narrow(0, 2000, 1000), 2, gate) > 0.85);
    train_router(train, activations.narrow(0, 0, 2000), training, again);
    CHECK(again.mlp_input.equal(gate.mlp_input));
    CHECK_FALSE(gate.mlp_input.requires_grad());
  }
  // Recall by counting: the two largest of each.
  GateWeights linear;
  linear.linear = normal_rows(6, 16, "linear");
  const at::Tensor logits = held_out.matmul(linear.linear.t());
  double hits = 0;
  for (std::int64_t token = 0; token < 1000; ++token) {
    const at::Tensor wanted = std::get<1>(at::topk(activations[2000 + token], 2));
    const at::Tensor found = std::get<1>(at::topk(logits[token], 2));
    for (int i = 0; i < 2; ++i) {
      for (int k = 0; k < 2; ++k) hits += wanted[i].item<std::int64_t>() == found[k].item<std::int64_t>() ? 1 : 0;
    }
  }
  CHECK(router_recall(held_out, activations.narrow(0, 2000, 1000), 2, linear) == Approx(hits / 2000));
}

TEST_CASE("a constructed router that was taught finds active experts where a drawn one does not") {
  const ScratchFolder folder;
  ConstructOptions options = gate_options(folder, "trained");
  options.router = "trained";
  options.data = {folder.write("text.txt", apples(1))};
  construct_experts(options);
  const Network trained = network_at(options.out);
  CHECK_FALSE(trained.config.mixture.add_noise);
  options.out = folder / "fitted";
  options.router = "fitted";
  construct_experts(options);
  const Network fitted = network_at(options.out);
  CHECK_FALSE(fitted.config.mixture.add_noise);
  CHECK(fitted.config.mixture.gate_network == GateNetwork::linear);
  options.out = folder / "drawn";
  options.router = "mlp";
  options.data.clear();
  construct_experts(options);
  const Network drawn = network_at(options.out);
  const Network dense = make_network(organism(), "cpu");
  const at::NoGradGuard no_gradients;
  double recall_of_trained = 0;
  double recall_of_fitted = 0;
  double recall_of_drawn = 0;
  Observers observers;
  observers.dense = [&](std::size_t layer, const at::Tensor& input, const at::Tensor& /*activation*/) {
    const auto experts = random_partition(512, kExperts, options.seed, static_cast<std::int64_t>(layer)).experts;
    const at::Tensor activations = expert_activations(input, dense.layers[layer], experts);
    const auto recall = [&](const Network& network) {
      GateWeights gate = network.layers[layer].mixture.gate;
      for (at::Tensor* weight : {&gate.linear, &gate.mlp_input, &gate.mlp_output}) {
        if (weight->defined()) *weight = weight->to(at::kFloat);
      }
      return router_recall(input.to(at::kFloat), activations, options.select, gate) / 6;
    };
    recall_of_trained += recall(trained);
    recall_of_fitted += recall(fitted);
    recall_of_drawn += recall(drawn);
  };
  TrainingForward forward;
  forward.observers = &observers;
  const Tokenizer tokenizer(organism().tokenizer_model, "organism");
  const auto ids = tokenizer.encode(apples(500).substr(0, 600));  // not of the text that it learned from
  const std::vector<std::int64_t> tokens(ids.begin(), ids.end());
  training_forward(dense, at::tensor(tokens), {{0, static_cast<std::int64_t>(tokens.size())}}, forward);
  CHECK(recall_of_drawn < 0.65);
  CHECK(recall_of_trained > 0.75);
  CHECK(recall_of_fitted > 0.7);
}

TEST_CASE("a pass over the text that is interrupted goes on, and makes the same model to the bit") {
  for (const char* method : {"cmoe", "coactivation", "gradient", "gradient-split"}) {
    INFO(method);
    const ScratchFolder folder;
    ConstructOptions options = gate_options(folder, "whole");
    options.method = method;
    options.data = {folder.write("text.txt", apples(1))};
    construct_experts(options);
    options.out = folder / "parts";
    int interruptions = 0;
    for (;; ++interruptions) {
      REQUIRE(interruptions < 40);
      options.stop = [calls = 0]() mutable { return ++calls >= 16; };
      if (construct_experts(options).finished) break;
      CHECK_FALSE(std::filesystem::exists(std::filesystem::path(options.out) / "config.json"));
    }
    CHECK(interruptions > 2);
    const auto bytes = [&](const char* out) {
      return read_file(std::filesystem::path(folder / out) / "model.safetensors");
    };
    CHECK(bytes("parts") == bytes("whole"));
    CHECK_FALSE(std::filesystem::exists(std::filesystem::path(options.out) / "statistics.safetensors"));
  }
}

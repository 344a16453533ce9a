// Mixtures of experts: published checkpoints against an independent float64 computation of them, and every gate, loss
// and capacity against its definition.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "model/checkpoint.h"
#include "model/mixture.h"
#include "model/network.h"
#include "model/weight_shards.h"
#include "support/files.h"
#include "support/json.h"
#include "support/random.h"
#include "tests/catch.h"
#include "tests/model/scratch.h"
#include "tests/shared_data.h"

using namespace mathtrap;

namespace {

using Rows = std::vector<std::vector<double>>;

constexpr std::int64_t kHidden = 12;

ModelConfig mixture_config() {
  ModelConfig config;
  config.architecture = Architecture::llama_moe;
  config.hidden_size = kHidden;
  config.intermediate_size = 20;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 2;
  config.head_dim = 6;
  config.vocab_size = 19;
  config.max_position_embeddings = 32;
  config.mixture.num_experts = 4;
  config.mixture.num_selects = 2;
  config.mixture.expert_sizes = {{5, 5, 5, 5}, {2, 4, 6, 8}};
  config.mixture.score_scale = {2.0, 3.0};
  return config;
}

/// Weights large enough for routing to differ from token to token.
Network mixture_network(const ModelConfig& config, std::uint64_t seed) {
  Network network = random_network(config, seed);
  for (auto& [name, weight] : named_weights(network)) {
    if (weight.dim() == 2) weight.mul_(15);
  }
  return network;
}

at::Tensor random_rows(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  at::Tensor tensor = at::zeros({rows, columns}, at::kFloat);
  Random random(seed);
  for (std::int64_t i = 0; i < tensor.numel(); ++i) tensor.data_ptr<float>()[i] = static_cast<float>(random.normal());
  return tensor;
}

Rows rows_of(const at::Tensor& tensor) {
  const at::Tensor wide = tensor.detach().to(at::kDouble).contiguous();
  Rows rows;
  for (std::int64_t i = 0; i < wide.size(0); ++i) {
    const double* row = wide.data_ptr<double>() + i * wide.size(1);
    rows.emplace_back(row, row + wide.size(1));
  }
  return rows;
}

std::vector<double> times(const Rows& weight, const std::vector<double>& x) {
  std::vector<double> result;
  for (const std::vector<double>& row : weight) {
    result.push_back(std::inner_product(row.begin(), row.end(), x.begin(), 0.0));
  }
  return result;
}

double silu_of(double x) {
  return x / (1 + std::exp(-x));
}

std::vector<double> softmax_of(std::vector<double> logits) {
  double sum = 0;
  for (double& logit : logits) sum += logit = std::exp(logit);
  for (double& logit : logits) logit /= sum;
  return logits;
}

/// Numbers of the k largest, in ascending order.
std::vector<std::size_t> top(const std::vector<double>& values, std::size_t k) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  order.resize(k);
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<double> run_expert(const ExpertWeights& expert, const std::vector<double>& x) {
  std::vector<double> gate = times(rows_of(expert.gate), x);
  const std::vector<double> up = times(rows_of(expert.up), x);
  for (std::size_t i = 0; i < gate.size(); ++i) gate[i] = silu_of(gate[i]) * up[i];
  return times(rows_of(expert.down), gate);
}

/// (variance over n - 1) / (mean^2 + 1e-10)
double squared_variation_of(const std::vector<double>& x) {
  const auto n = static_cast<double>(x.size());
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  double squares = 0;
  for (const double value : x) squares += (value - mean) * (value - mean);
  return squares / (n - 1) / (mean * mean + 1e-10);
}

void check_published(const std::string& model) {
  const std::string folder = "data/models/" + model;
  if (!has_shared_data(folder)) return;
  const std::filesystem::path path = shared_data(folder);
  const Json expected = parse_json(read_file((path / "expected.json").string()), {(path / "expected.json"), 0, ""});
  const Network network = make_network(read_checkpoint((path / "hf").string()), "cpu");
  const at::NoGradGuard no_gradients;
  std::vector<std::int64_t> tokens = expected.at("ids").get<std::vector<std::int64_t>>();
  std::vector<std::vector<std::vector<std::int64_t>>> chosen(network.layers.size());
  Observers observers;
  observers.mixture = [&](std::size_t layer, const at::Tensor& /*input*/, const Routing& routing, std::int64_t) {
    for (const std::vector<double>& row : rows_of(routing.experts)) {
      std::vector<std::int64_t>& experts = chosen[layer].emplace_back(row.begin(), row.end());
      std::sort(experts.begin(), experts.end());
    }
  };
  TrainingForward forward;
  forward.observers = &observers;
  const auto run = [&] {
    return training_forward(network, at::tensor(tokens), {{0, static_cast<std::int64_t>(tokens.size())}}, forward);
  };
  const at::Tensor logits = run();
  CHECK(chosen == expected.at("experts").get<decltype(chosen)>());
  const auto last = expected.at("last_logits").get<std::vector<double>>();
  CHECK((logits[-1].to(at::kDouble) - at::tensor(last)).abs().max().item<double>() < 1e-4);
  const at::Tensor logprobs = logits.to(at::kDouble).log_softmax(1);
  const auto wanted = expected.at("token_logprobs").get<std::vector<double>>();
  REQUIRE(wanted.size() + 1 == tokens.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    CHECK(logprobs[static_cast<std::int64_t>(i)][tokens[i + 1]].item<double>() == Approx(wanted[i]).margin(1e-4));
  }
  forward.observers = nullptr;
  for (const auto& id : expected.at("greedy_ids")) {
    tokens.push_back(run()[-1].argmax().item<std::int64_t>());
    CHECK(tokens.back() == id.get<std::int64_t>());
  }
}

/// The gate's logits by their definition.
std::vector<double> logits_by_hand(const GateWeights& gate, GateNetwork network, const std::vector<double>& x) {
  if (network == GateNetwork::linear) return times(rows_of(gate.linear), x);
  if (network == GateNetwork::analytic) {
    std::vector<double> logits = times(rows_of(gate.analytic_gate), x);
    const std::vector<double> up = times(rows_of(gate.analytic_up), x);
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = silu_of(logits[i]) * up[i];
    return logits;
  }
  std::vector<double> inner = times(rows_of(gate.mlp_input), x);
  for (double& value : inner) value = std::tanh(value);
  return times(rows_of(gate.mlp_output), inner);
}

struct Scored {
  std::vector<std::size_t> experts;  ///< ascending
  std::vector<double> scores;        ///< by expert, E of them
};

Scored score_by_hand(const MixtureConfig& mixture, const std::vector<double>& logits, const at::Tensor& bias) {
  std::vector<double> choice = logits;
  for (std::size_t i = 0; bias.defined() && i < choice.size(); ++i) choice[i] += rows_of(bias.view({1, -1}))[0][i];
  Scored result = {top(choice, static_cast<std::size_t>(mixture.num_selects)), std::vector<double>(logits.size())};
  const std::vector<double> all = softmax_of(logits);
  double sum = 0;
  for (const std::size_t expert : result.experts) sum += all[expert];
  for (const std::size_t expert : result.experts) {
    result.scores[expert] = mixture.gate == GateKind::switch_balanced ? all[expert] : all[expert] / sum;
  }
  return result;
}

/// Gate, experts and shared experts against float64, for one kind of gate.
void check_definition(ModelConfig config, bool noise_weights) {
  config.mixture.add_noise = noise_weights;
  const Network network = mixture_network(config, 4);
  MixtureWeights weights = network.layers[1].mixture;
  if (weights.gate.selection_bias.defined()) weights.gate.selection_bias.copy_(at::arange(4).mul(0.7));
  const at::Tensor x = random_rows(9, kHidden, 6);
  const at::NoGradGuard no_gradients;
  const MixtureOutput output = mix_experts(x, weights, config, 1, Arithmetic::as_stored, 1);
  const MixtureConfig& mixture = config.mixture;
  for (std::size_t token = 0; token < 9; ++token) {
    const std::vector<double> row = rows_of(x)[token];
    const std::vector<double> logits = logits_by_hand(weights.gate, mixture.gate_network, row);
    const Scored scored = score_by_hand(mixture, logits, weights.gate.selection_bias);
    std::vector<double> expected(kHidden);
    if (mixture.shared_size > 0) expected = run_expert(weights.shared, row);
    for (const std::size_t expert : scored.experts) {
      const std::vector<double> y = run_expert(weights.experts[expert], row);
      const double factor = 3.0 * (mixture.multiply_scores ? scored.scores[expert] : 1);
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += factor * y[i];
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CHECK(rows_of(output.delta)[token][i] == Approx(expected[i]).epsilon(1e-4).margin(1e-5));
    }
  }
  CHECK(output.routing.load.sum().item<double>() == 9.0 * static_cast<double>(mixture.num_selects));
}

}  // namespace

TEST_CASE("published LLaMA-MoE, in safetensors: logits, experts and greedy tokens") {
  check_published("tiny-llama-moe");
}

TEST_CASE("published LLaMA-MoE, in two pickle shards: logits, experts and greedy tokens") {
  check_published("tiny-llama-moe-bin");
}

TEST_CASE("Mixtral: logits, experts and greedy tokens") {
  check_published("tiny-mixtral");
}

TEST_CASE("a mixture's checkpoint keeps every tensor bit for bit when it is written and read again") {
  std::vector<ModelConfig> configs(5, mixture_config());
  configs[0].mixture.add_noise = true;
  configs[1].mixture.gate_network = GateNetwork::analytic;
  configs[1].mixture.shared_size = 7;
  configs[1].mixture.multiply_scores = false;
  configs[2].mixture.gate_network = GateNetwork::linear;
  configs[2].mixture.selection_bias = true;
  configs[2].mixture.gate = GateKind::switch_balanced;
  configs[2].mixture.capacity_factor = 1.5;
  configs[3].mixture.gate = GateKind::uniform_plain;
  configs[3].mixture.gate_network = GateNetwork::none;
  configs[3].mixture.num_selects = 4;
  configs[4].architecture = Architecture::mixtral;
  configs[4].mixture.gate_network = GateNetwork::linear;
  configs[4].mixture.expert_sizes = {{20, 20, 20, 20}, {20, 20, 20, 20}};
  configs[4].mixture.score_scale = {1.0};
  configs[4].mixture.shared_size = 3;
  for (const ModelConfig& config : configs) {
    Checkpoint checkpoint;
    checkpoint.config = config;
    checkpoint.source = "made";
    for (const auto& [name, weight] : named_weights(mixture_network(config, 2))) checkpoint.tensors[name] = weight;
    const ScratchFolder folder;
    write_hugging_face_folder(folder.path(), checkpoint);
    const Checkpoint again = read_checkpoint(folder.path());
    CHECK(write_hugging_face_config(again.config) == write_hugging_face_config(config));
    CHECK(again.config.mixture.shared_size == config.mixture.shared_size);
    REQUIRE(again.tensors.size() == checkpoint.tensors.size());
    for (const auto& [name, tensor] : checkpoint.tensors) CHECK(again.tensors.at(name).equal(tensor));
  }
}

TEST_CASE("a mixture is what its definition says, for each gate that looks at its input") {
  ModelConfig config = mixture_config();
  check_definition(config, true);
  config.mixture.shared_size = 6;
  check_definition(config, false);
  config.mixture.selection_bias = true;
  config.mixture.gate_network = GateNetwork::linear;
  check_definition(config, false);
  config.mixture.gate = GateKind::switch_balanced;
  check_definition(config, false);
  config.mixture.multiply_scores = false;
  config.mixture.gate_network = GateNetwork::analytic;
  config.mixture.num_selects = 1;
  check_definition(config, false);
  config.mixture.gate = GateKind::uniform_learnable;
  config.mixture.num_selects = 4;
  config.mixture.multiply_scores = true;
  config.mixture.selection_bias = false;
  check_definition(config, false);
}

TEST_CASE("gates that do not look: all experts alike, or k by chance, the same for the same token") {
  const at::NoGradGuard no_gradients;
  ModelConfig config = mixture_config();
  config.mixture.gate = GateKind::uniform_plain;
  config.mixture.gate_network = GateNetwork::none;
  config.mixture.num_selects = 4;
  const at::Tensor x = random_rows(4000, kHidden, 8);
  Routing routing = route(x, {}, config, 0);
  CHECK(routing.scores.eq(0.25).all().item<bool>());
  CHECK(routing.load.eq(4000).all().item<bool>());
  config.mixture.gate = GateKind::random_plain;
  config.mixture.num_selects = 2;
  routing = route(x, {}, config, 0);
  CHECK(routing.scores.eq(0.5).all().item<bool>());
  for (std::int64_t expert = 0; expert < 4; ++expert) {
    CHECK(std::abs(routing.load[expert].item<double>() - 2000) < 5 * std::sqrt(4000 * 0.25));
  }
  CHECK(routing.experts.select(1, 0).ne(routing.experts.select(1, 1)).all().item<bool>());
  const Routing part = route(x.narrow(0, 1000, 7), {}, config, 99);
  CHECK(part.experts.equal(routing.experts.narrow(0, 1000, 7)));
  config.mixture.gate = GateKind::random_learnable;
  config.mixture.gate_network = GateNetwork::linear;
  GateWeights gate;
  gate.linear = random_rows(4, kHidden, 3);
  routing = route(x, gate, config, 0);
  CHECK(routing.experts.equal(route(x, gate, config, 1).experts));
  const at::Tensor chosen = x.matmul(gate.linear.t()).gather(1, routing.experts).softmax(1);
  CHECK((routing.scores - chosen).abs().max().item<double>() < 1e-5);
}

TEST_CASE("without gradients a token's result does not depend on the others, to the bit") {
  const at::NoGradGuard no_gradients;
  ModelConfig config = mixture_config();
  config.mixture.shared_size = 5;
  config.mixture.capacity_factor = 0.5;
  const Network network = mixture_network(config, 7);
  const at::Tensor x = random_rows(33, kHidden, 1);
  const auto run = [&](const at::Tensor& rows) {
    return mix_experts(rows, network.layers[0].mixture, config, 0, Arithmetic::as_stored, 0).delta;
  };
  const at::Tensor all = run(x);
  for (std::int64_t token = 0; token < 33; ++token) CHECK(run(x.narrow(0, token, 1)).equal(all.narrow(0, token, 1)));
}

TEST_CASE("the noisy gate adds its noise in training, and estimates the load as a new draw of one noise would") {
  ModelConfig config = mixture_config();
  config.mixture.add_noise = true;
  config.mixture.gate_network = GateNetwork::linear;
  const double weight = config.mixture.balance_loss_weight;
  GateWeights gate;
  gate.linear = random_rows(4, kHidden, 3).mul(0.3);
  gate.noise = random_rows(4, kHidden, 4).mul(0.3);
  const at::Tensor x = random_rows(6, kHidden, 5);
  const Routing routing = route(x, gate, config, 17);
  Random noise(17, "gate noise");
  Random fresh(23);
  std::vector<double> load(4);
  std::vector<double> importance(4);
  for (std::size_t token = 0; token < 6; ++token) {
    const std::vector<double> row = rows_of(x)[token];
    const std::vector<double> logits = times(rows_of(gate.linear), row);
    std::vector<double> deviation = times(rows_of(gate.noise), row);
    std::vector<double> noisy = logits;
    for (std::size_t i = 0; i < 4; ++i) {
      deviation[i] = std::log1p(std::exp(deviation[i])) + 0.01;
      noisy[i] += deviation[i] * noise.normal();
    }
    const Scored scored = score_by_hand(config.mixture, noisy, {});
    for (std::size_t i = 0; i < 4; ++i) importance[i] += scored.scores[i];
    std::vector<double> experts = rows_of(routing.experts)[token];
    std::sort(experts.begin(), experts.end());
    CHECK(experts == std::vector<double>(scored.experts.begin(), scored.experts.end()));
    constexpr int kDraws = 40000;
    for (std::size_t i = 0; i < 4; ++i) {
      std::vector<double> again = noisy;
      int chosen = 0;
      for (int draw = 0; draw < kDraws; ++draw) {
        again[i] = logits[i] + deviation[i] * fresh.normal();
        const std::vector<std::size_t> best = top(again, 2);
        chosen += static_cast<int>(std::find(best.begin(), best.end(), i) != best.end());
      }
      load[i] += static_cast<double>(chosen) / kDraws;
    }
  }
  for (std::size_t i = 0; i < 4; ++i) {
    const auto expert = static_cast<std::int64_t>(i);
    CHECK(routing.importance[expert].item<double>() == Approx(importance[i]).margin(1e-4));
    CHECK(routing.load[expert].item<double>() == Approx(load[i]).margin(0.02));
  }
  const std::vector<double> estimate = rows_of(routing.load.view({1, 4}))[0];
  CHECK(routing.balance_loss.item<double>() ==
        Approx(weight * (squared_variation_of(importance) + squared_variation_of(estimate))).epsilon(1e-4));
}

TEST_CASE("Switch's loss, and the tokens that its experts drop") {
  ModelConfig config = mixture_config();
  config.mixture.gate = GateKind::switch_balanced;
  config.mixture.gate_network = GateNetwork::linear;
  config.mixture.num_selects = 1;
  config.mixture.capacity_factor = 1.25;
  config.mixture.score_scale = {1.0};
  const Network network = mixture_network(config, 4);
  const at::Tensor x = random_rows(16, kHidden, 5);
  const MixtureWeights& weights = network.layers[0].mixture;
  const MixtureOutput output = mix_experts(x, weights, config, 0, Arithmetic::as_stored, 1);
  std::vector<double> mean(4);
  std::vector<double> load(4);
  std::int64_t dropped = 0;
  for (std::size_t token = 0; token < 16; ++token) {
    const std::vector<double> row = rows_of(x)[token];
    const std::vector<double> probabilities = softmax_of(times(rows_of(weights.gate.linear), row));
    const std::size_t expert = top(probabilities, 1)[0];
    for (std::size_t i = 0; i < 4; ++i) mean[i] += probabilities[i] / 16;
    load[expert] += 1;
    const bool is_dropped = load[expert] > 5;  // 1.25 * 16 / 4
    dropped += static_cast<std::int64_t>(is_dropped);
    const std::vector<double> y = run_expert(weights.experts[expert], row);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double expected = is_dropped ? 0 : probabilities[expert] * y[i];
      CHECK(rows_of(output.delta)[token][i] == Approx(expected).epsilon(1e-4).margin(1e-6));
    }
  }
  CHECK(dropped > 0);
  CHECK(output.dropped == dropped);
  double sum = 0;
  for (std::size_t i = 0; i < 4; ++i) sum += mean[i] * load[i] / 16;
  CHECK(output.routing.balance_loss.item<double>() == Approx(0.01 * 4 * sum).epsilon(1e-5));
}

TEST_CASE("every weight of a mixture gets the gradient that a finite difference confirms, also recomputed") {
  ModelConfig config = mixture_config();
  config.mixture.shared_size = 3;
  const at::Tensor tokens = at::tensor(std::vector<std::int64_t>{1, 5, 9, 3, 0, 7, 7, 12, 18});
  for (const bool noise : {false, true}) {
    config.mixture.add_noise = noise;
    for (const bool recompute : {false, true}) {
      Network network = mixture_network(config, 5);
      network.dropout_seed = 3;
      const auto weights = named_weights(network);
      for (const auto& [name, weight] : weights) weight.requires_grad_(true);
      const auto loss = [&] {
        at::Tensor balance;
        TrainingForward forward;
        forward.recompute = recompute;
        forward.balance_loss = &balance;
        const at::Tensor logits = training_forward(network, tokens, {{0, 5, 9}}, forward);
        return logits.log_softmax(-1).square().mean() + balance.mul(20);
      };
      loss().backward();
      for (const auto& [name, weight] : weights) {
        INFO(name << ", noise " << noise << ", recompute " << recompute);
        REQUIRE(weight.grad().defined());
        // The direction of the gradient itself: the slope along it is its length.
        const at::Tensor gradient = weight.grad().clone();
        const double length = gradient.norm().item<double>();
        if (length < 1e-4) continue;  // an expert that no token reached
        const at::Tensor direction = gradient / length;
        const double step = 2e-3;
        const auto at_offset = [&loss, &direction, moved = weight.detach()](double offset) {
          moved.add_(direction, offset);
          const double value = loss().item<double>();
          moved.add_(direction, -offset);
          return value;
        };
        const double slope = (at_offset(step) - at_offset(-step)) / (2 * step);
        CHECK(slope == Approx(length).epsilon(0.03).margin(2e-4));
      }
    }
  }
}

TEST_CASE("an expert that is left out of a batch has a gradient of zero, not none") {
  const ModelConfig config = mixture_config();
  Network network = mixture_network(config, 5);
  const auto weights = named_weights(network);
  for (const auto& [name, weight] : weights) weight.requires_grad_(true);
  training_forward(network, at::tensor(std::vector<std::int64_t>{4}), {{0, 1}}, {}).sum().backward();
  std::size_t zero = 0;
  for (const auto& [name, weight] : weights) {
    REQUIRE(weight.grad().defined() == (name.find("gate_network") == name.npos || weight.grad().defined()));
    if (name.find("experts.weight_up") != name.npos && weight.grad().eq(0).all().item<bool>()) ++zero;
  }
  CHECK(zero == 4);  // two of four in each of two layers
}

TEST_CASE("a checkpoint written in shards is read back whole, and not mistaken for one before it is finished") {
  const ModelConfig config = mixture_config();
  const Network network = mixture_network(config, 3);
  const ScratchFolder folder;
  WeightShards shards(folder / "model", 2000);
  for (const auto& [name, weight] : named_weights(network)) shards.add(name, weight);
  CHECK(contains(error_of([&] { read_checkpoint(folder / "model"); }), "has no config.json"));
  shards.finish(config, "");
  const Checkpoint again = read_checkpoint(folder / "model");
  for (const auto& [name, weight] : named_weights(network)) CHECK(again.tensors.at(name).equal(weight));
  CHECK(std::filesystem::exists(std::filesystem::path(folder / "model") / "model-00003.safetensors"));
  WeightShards incomplete(folder / "other");
  incomplete.add("model.norm.weight", network.final_norm);
  CHECK(contains(error_of([&] { incomplete.finish(config, ""); }), "model.embed_tokens.weight of shape [19, 12]"));
}

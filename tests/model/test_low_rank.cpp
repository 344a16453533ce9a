// Low-rank updates: the same function as merged weights, the gradients of the chain rule, dropout, and layers that are
// computed again.
#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "model/adapter.h"
#include "model/network.h"
#include "model/ops.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

ModelConfig small_config() {
  ModelConfig config;
  config.hidden_size = 24;
  config.intermediate_size = 40;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 6;
  config.vocab_size = 37;
  config.max_position_embeddings = 64;
  return config;
}

AdapterOptions adapter_options(const std::string& targets, double dropout = 0) {
  return {3, 6, dropout, parse_target_modules(targets)};
}

/// A network whose updates are not zero.
Network adapted_network(const std::string& targets, double dropout = 0) {
  Network network = random_network(small_config(), 5);
  network.updates = new_updates(network.config, adapter_options(targets, dropout), 11);
  std::uint64_t seed = 0;
  for (const auto& [name, tensor] : named_updates(network.updates)) {
    at::manual_seed(++seed);
    tensor.copy_(at::randn(tensor.sizes()) * 0.3);
  }
  return network;
}

struct Gradients {
  double loss = 0;
  std::vector<at::Tensor> updates;
};

Gradients gradients_of(Network& network, const TrainingForward& options) {
  const at::Tensor tokens = at::tensor(std::vector<std::int64_t>{1, 5, 9, 36, 0, 7, 1, 12, 30});
  const auto updates = named_updates(network.updates);
  for (const auto& [name, tensor] : updates) {
    tensor.requires_grad_(true);
    tensor.mutable_grad().reset();
  }
  const at::Tensor loss = training_forward(network, tokens, {{0, 6, 9}}, options).log_softmax(-1).square().mean();
  loss.backward();
  Gradients result{loss.item<double>(), {}};
  for (const auto& [name, tensor] : updates) {
    INFO(name);
    REQUIRE(tensor.grad().defined());
    result.updates.push_back(tensor.grad().clone());
  }
  return result;
}

}  // namespace

TEST_CASE("a fresh adapter changes nothing") {
  Network network = random_network(small_config(), 5);
  const at::Tensor tokens = at::tensor(std::vector<std::int64_t>{1, 5, 9, 36});
  const at::Tensor base = training_forward(network, tokens, {{0, 4}}, {});
  network.updates = new_updates(network.config, adapter_options("all"), 1);
  CHECK(training_forward(network, tokens, {{0, 4}}, {}).equal(base));
  CHECK(named_updates(network.updates).size() == 2 * 7 * 2);
}

TEST_CASE("updates beside weights and updates merged into weights are the same function with the same gradients") {
  for (const std::string targets : {"all", "q_proj,v_proj", "o_proj,down_proj", "up_proj"}) {
    INFO(targets);
    Network network = adapted_network(targets);
    const Gradients beside = gradients_of(network, {});

    // The other way: weights that are products of leaves, through LibTorch's own autograd.
    Network merged = network;
    merged.updates.clear();
    std::vector<at::Tensor> leaves;
    for (std::size_t layer = 0; layer < merged.layers.size(); ++layer) {
      LayerWeights& weights = merged.layers[layer];
      at::Tensor* const places[] = {&weights.query, &weights.key, &weights.value, &weights.output,
                                    &weights.gate,  &weights.up,  &weights.down};
      for (std::size_t i = 0; i < kProjections; ++i) {
        const LowRankUpdate& update = network.updates[layer].at(i);
        if (!update.defined()) continue;
        leaves.push_back(update.a.detach().clone().requires_grad_(true));
        leaves.push_back(update.b.detach().clone().requires_grad_(true));
        const at::Tensor& a = leaves[leaves.size() - 2];
        const at::Tensor& b = leaves[leaves.size() - 1];
        *places[i] = *places[i] + (6.0 / 3.0) * b.mm(a);
      }
    }
    const at::Tensor tokens = at::tensor(std::vector<std::int64_t>{1, 5, 9, 36, 0, 7, 1, 12, 30});
    const at::Tensor loss = training_forward(merged, tokens, {{0, 6, 9}}, {}).log_softmax(-1).square().mean();
    loss.backward();
    CHECK(loss.item<double>() == Approx(beside.loss).epsilon(1e-5));
    REQUIRE(leaves.size() == beside.updates.size());
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      const double scale = leaves[i].grad().abs().max().item<double>();
      REQUIRE(scale > 0);
      CHECK((leaves[i].grad() - beside.updates[i]).abs().max().item<double>() < 1e-4 * scale);
    }
  }
}

TEST_CASE("the base's weights have no gradient while an adapter learns") {
  Network network = adapted_network("all");
  gradients_of(network, {});
  for (const auto& [name, weight] : named_weights(network)) CHECK_FALSE(weight.grad().defined());
}

TEST_CASE("dropout leaves out its share of an update's input, by the seed alone, and only in training") {
  const std::int64_t width = 40;
  LayerUpdates updates;
  LowRankUpdate& update = updates[static_cast<std::size_t>(Projection::up)];
  // The update is the identity: y shows what of x was kept.
  update.a = at::eye(width);
  update.b = at::eye(width);
  update.scale = 1;
  update.dropout = 0.3;
  const at::Tensor x = at::ones({500, width});
  const auto kept = [&](std::uint64_t seed) {
    return add_low_rank(at::zeros({500, width}), x, updates, {{Projection::up, width}}, seed, Arithmetic::as_stored);
  };
  const at::Tensor first = kept(1);
  const double share = first.gt(0).to(at::kDouble).mean().item<double>();
  CHECK(share == Approx(0.7).margin(0.015));  // five deviations of 20,000 draws
  CHECK(first.max().item<double>() == Approx(1 / 0.7));
  CHECK(kept(1).equal(first));
  CHECK_FALSE(kept(2).equal(first));
  const at::NoGradGuard no_gradients;
  CHECK(kept(1).equal(x));
}

TEST_CASE("layers that are computed again give the same loss and the same gradients, to the bit") {
  for (const double dropout : {0.0, 0.5}) {
    Network network = adapted_network("all", dropout);
    network.dropout_seed = 77;
    const Gradients kept = gradients_of(network, {});
    const Gradients again = gradients_of(network, {false, true, {}});
    CHECK(again.loss == kept.loss);
    REQUIRE(again.updates.size() == kept.updates.size());
    for (std::size_t i = 0; i < kept.updates.size(); ++i) CHECK(again.updates[i].equal(kept.updates[i]));
  }
}

TEST_CASE("layers that are computed again give all weights their gradients") {
  const auto gradients = [](bool recompute) {
    const Network network = random_network(small_config(), 5);
    const auto weights = named_weights(network);
    for (const auto& [name, weight] : weights) weight.requires_grad_(true);
    const at::Tensor tokens = at::tensor(std::vector<std::int64_t>{1, 5, 9, 36, 0, 7});
    training_forward(network, tokens, {{0, 6}}, {false, recompute, {}}).log_softmax(-1).square().mean().backward();
    std::vector<at::Tensor> result;
    for (const auto& [name, weight] : weights) result.push_back(weight.grad());
    return result;
  };
  const std::vector<at::Tensor> kept = gradients(false);
  const std::vector<at::Tensor> again = gradients(true);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    REQUIRE(again[i].defined());
    CHECK(again[i].equal(kept[i]));
  }
}

TEST_CASE("logits of chosen positions are those of all positions at these places") {
  const Network network = random_network(small_config(), 5);
  const at::Tensor tokens = at::tensor(std::vector<std::int64_t>{1, 5, 9, 36, 0, 7});
  const at::Tensor positions = at::tensor(std::vector<std::int64_t>{1, 4});
  const at::Tensor all = training_forward(network, tokens, {{0, 6}}, {});
  const at::Tensor some = training_forward(network, tokens, {{0, 6}}, {false, false, positions});
  CHECK((some - all.index_select(0, positions)).abs().max().item<double>() < 1e-6);
}

TEST_CASE("target modules are PEFT's names") {
  const std::vector<Projection> two = {Projection::query, Projection::value};
  CHECK((parse_target_modules("v_proj,q_proj,v_proj") == two));
  CHECK(parse_target_modules("all-linear").size() == kProjections);
  CHECK_THROWS_WITH(parse_target_modules("q_proj,lm_head"), Catch::Contains("lm_head"));
  CHECK_THROWS(parse_target_modules(""));
}

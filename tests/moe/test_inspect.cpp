// What is observed of routing against counting token by token, gates whose choices are known, and shared neurons
// against the lists that the neurons were shared out by.
#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <vector>

#include "model/mixture_weights.h"
#include "model/network.h"
#include "moe/construct.h"
#include "moe/importance.h"
#include "moe/inspect.h"
#include "moe/observe_routing.h"
#include "moe/partition.h"
#include "support/random.h"
#include "tests/catch.h"
#include "tests/model/scratch.h"

using namespace mathtrap;

namespace {

ModelConfig inspected_config() {
  ModelConfig config;
  config.architecture = Architecture::llama_moe;
  config.hidden_size = 12;
  config.intermediate_size = 20;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 2;
  config.head_dim = 6;
  config.vocab_size = 19;
  config.max_position_embeddings = 32;
  config.mixture.num_experts = 5;
  config.mixture.num_selects = 2;
  config.mixture.gate_network = GateNetwork::linear;
  config.mixture.expert_sizes = {{4, 4, 4, 4, 4}, {4, 4, 4, 4, 4}};
  return config;
}

/// Weights large enough for routing to differ from token to token.
Network inspected_network(const ModelConfig& config) {
  Network network = random_network(config, 11);
  for (auto& [name, weight] : named_weights(network)) {
    if (weight.dim() == 2) weight.mul_(15);
  }
  return network;
}

std::vector<std::vector<TokenId>> token_lists() {
  Random random(4, "token lists");
  std::vector<std::vector<TokenId>> lists;
  for (const std::size_t length : {1, 9, 32, 17}) {
    std::vector<TokenId>& list = lists.emplace_back();
    for (std::size_t i = 0; i < length; ++i) list.push_back(static_cast<TokenId>(random.uniform_int(0, 18)));
  }
  return lists;
}

/// Where one token went at one layer.
struct TokenRoute {
  std::map<std::int64_t, double> scores;  ///< by expert
  std::vector<double> logits;
};

/// [layers][tokens] of all lists in one flat batch.
std::vector<std::vector<TokenRoute>> routes_of(const Network& network, const std::vector<std::vector<TokenId>>& lists) {
  const at::NoGradGuard no_gradients;
  std::vector<std::vector<TokenRoute>> routes(network.layers.size());
  Observers observers;
  observers.mixture = [&](std::size_t layer, const at::Tensor&, const Routing& routing, std::int64_t) {
    for (std::int64_t token = 0; token < routing.experts.size(0); ++token) {
      TokenRoute& route = routes[layer].emplace_back();
      for (std::int64_t i = 0; i < routing.experts.size(1); ++i) {
        route.scores[routing.experts[token][i].item<std::int64_t>()] = routing.scores[token][i].item<double>();
      }
      for (std::int64_t i = 0; i < routing.logits.size(1); ++i) {
        route.logits.push_back(routing.logits[token][i].item<double>());
      }
    }
  };
  TrainingForward forward;
  forward.observers = &observers;
  std::vector<std::int64_t> flat;
  SequenceLayout layout{{0}};
  for (const std::vector<TokenId>& list : lists) {
    flat.insert(flat.end(), list.begin(), list.end());
    layout.starts.push_back(static_cast<std::int64_t>(flat.size()));
  }
  training_forward(network, at::tensor(flat), layout, forward);
  return routes;
}

double entropy_by_hand(const std::vector<double>& logits) {
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit);
  double bits = 0;
  for (const double logit : logits) bits -= std::exp(logit) / sum * std::log2(std::exp(logit) / sum);
  return bits;
}

}  // namespace

TEST_CASE("counts of each prompt are those of its tokens, one by one, in any batch and with any number of threads") {
  const Network network = inspected_network(inspected_config());
  const std::vector<std::vector<TokenId>> lists = token_lists();
  const auto routes = routes_of(network, lists);
  const ObservedRouting observed = observe_routing(network, lists);
  CHECK(observed.experts == 5);
  CHECK(observed.select == 2);
  CHECK(observed.has_logits);
  REQUIRE(observed.prompts.size() == lists.size());
  for (std::size_t layer = 0; layer < 2; ++layer) {
    std::vector<std::int64_t> together(25, 0);
    std::size_t first = 0;
    for (std::size_t list = 0; list < lists.size(); ++list) {
      std::vector<std::int64_t> chosen(5, 0);
      std::vector<double> mass(5, 0);
      double entropy = 0;
      std::vector<std::uint16_t> experts_of_tokens;
      for (std::size_t token = first; token < first + lists[list].size(); ++token) {
        const TokenRoute& route = routes[layer][token];
        CHECK(route.scores.size() == 2);
        entropy += entropy_by_hand(route.logits);
        for (const auto& [expert, score] : route.scores) {
          experts_of_tokens.push_back(static_cast<std::uint16_t>(expert));
          chosen[static_cast<std::size_t>(expert)] += 1;
          mass[static_cast<std::size_t>(expert)] += score;
        }
        for (std::size_t a = 0; a < 5; ++a) {
          for (std::size_t b = 0; b < 5; ++b) {
            const bool both = route.scores.count(static_cast<std::int64_t>(a)) == 1 &&
                              route.scores.count(static_cast<std::int64_t>(b)) == 1;
            together[a * 5 + b] += both ? 1 : 0;
          }
        }
      }
      const PromptRouting& prompt = observed.prompts[list];
      CHECK(prompt.tokens == static_cast<std::int64_t>(lists[list].size()));
      CHECK(prompt.layers[layer].chosen == chosen);
      CHECK(prompt.layers[layer].routes == experts_of_tokens);
      CHECK(prompt.layers[layer].entropy == Approx(entropy).epsilon(1e-9));
      for (std::size_t expert = 0; expert < 5; ++expert) {
        CHECK(prompt.layers[layer].mass[expert] == Approx(mass[expert]).epsilon(1e-9));
      }
      first += lists[list].size();
    }
    CHECK(observed.together[layer] == together);
  }

  // To the bit: alone, and with another number of threads.
  at::set_num_threads(1);
  const ObservedRouting alone = observe_routing(network, {lists[2]});
  at::set_num_threads(3);
  const ObservedRouting threads = observe_routing(network, lists);
  at::set_num_threads(2);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    CHECK(alone.prompts[0].layers[layer].entropy == observed.prompts[2].layers[layer].entropy);
    CHECK(alone.prompts[0].layers[layer].mass == observed.prompts[2].layers[layer].mass);
    CHECK(threads.prompts[3].layers[layer].mass == observed.prompts[3].layers[layer].mass);
    CHECK(threads.together[layer] == observed.together[layer]);
  }
}

TEST_CASE("a gate that cannot tell experts apart is as uncertain as can be, and one that never wins is dead") {
  ModelConfig config = inspected_config();
  Network network = inspected_network(config);
  network.layers[0].mixture.gate.linear.zero_();
  ObservedRouting observed = observe_routing(network, token_lists());
  PromptRouting total;
  for (const PromptRouting& prompt : observed.prompts) add_routing(total, prompt);
  const LayerMeasures blind = measure_layer(total.layers[0], total.tokens, 2, true);
  CHECK(*blind.gate_entropy == Approx(std::log2(5.0)));
  CHECK(blind.load == std::vector<double>{0.5, 0.5, 0, 0, 0});  // equal ones in the order of their numbers
  CHECK(blind.importance[0] == Approx(0.5));
  CHECK(blind.dead == std::vector<std::int64_t>{2, 3, 4});
  CHECK(measure_layer(total.layers[1], total.tokens, 2, true).dead.size() < 3);

  config.mixture.selection_bias = true;
  network = inspected_network(config);
  for (LayerWeights& layer : network.layers) {
    layer.mixture.gate.selection_bias = at::zeros({5}, at::kFloat);
    layer.mixture.gate.selection_bias[3] = -1e6;
  }
  observed = observe_routing(network, token_lists());
  total = {};
  for (const PromptRouting& prompt : observed.prompts) add_routing(total, prompt);
  for (const LayerRouting& layer : total.layers) {
    CHECK(measure_layer(layer, total.tokens, 2, true).dead == std::vector<std::int64_t>{3});
  }
}

TEST_CASE("gates without logits have no entropy; with one expert a token there are no pairs") {
  ModelConfig config = inspected_config();
  config.mixture.gate = GateKind::random_plain;
  config.mixture.gate_network = GateNetwork::none;
  config.mixture.num_selects = 1;
  const ObservedRouting observed = observe_routing(random_network(config, 3), token_lists());
  CHECK_FALSE(observed.has_logits);
  CHECK(observed.together.empty());
  CHECK(observed.prompts[1].layers[0].mass ==
        std::vector<double>(observed.prompts[1].layers[0].chosen.begin(), observed.prompts[1].layers[0].chosen.end()));
}

TEST_CASE("prompts that do not fit are refused by their number") {
  const Network network = inspected_network(inspected_config());
  CHECK(contains(error_of([&] {
                   observe_routing(network, {{1, 2}, std::vector<TokenId>(33, 1)});
                 }),
                 "prompt 2: 33 tokens do not fit the model's context of 32"));
  CHECK(contains(error_of([&] { observe_routing(network, {{}}); }), "prompt 1: is empty"));
}

TEST_CASE("neurons in common are those that the lists of two experts share") {
  constexpr std::int64_t kNeurons = 40;
  constexpr std::int64_t kSize = 12;
  Random random(8, "scores");
  at::Tensor scores = at::zeros({4, kNeurons}, at::kFloat);
  at::Tensor up = at::zeros({kNeurons, 6}, at::kFloat);
  for (at::Tensor* tensor : {&scores, &up}) {
    for (std::int64_t i = 0; i < tensor->numel(); ++i) {
      tensor->data_ptr<float>()[i] = static_cast<float>(random.uniform());
    }
  }
  const auto overlap_of = [&](const Partition& partition) {
    MixtureWeights weights;
    for (const std::vector<std::int64_t>& neurons : partition.experts) {
      weights.experts.emplace_back().up = up.index_select(0, at::tensor(neurons));
    }
    return expert_overlap(weights);
  };
  const Partition inner = sharing_inner_partition(scores, kSize);
  const std::vector<double> overlap = overlap_of(inner);
  bool some = false;
  for (std::size_t a = 0; a < 4; ++a) {
    for (std::size_t b = 0; b < 4; ++b) {
      std::vector<std::int64_t> both;
      std::set_intersection(inner.experts[a].begin(), inner.experts[a].end(), inner.experts[b].begin(),
                            inner.experts[b].end(), std::back_inserter(both));
      CHECK(overlap[a * 4 + b] == Approx(static_cast<double>(both.size()) / kSize));
      some = some || (a != b && !both.empty());
    }
  }
  CHECK(some);

  const std::vector<double> parts = overlap_of(random_partition(kNeurons, 4, 0, 0));
  for (std::size_t a = 0; a < 4; ++a) {
    for (std::size_t b = 0; b < 4; ++b) CHECK(parts[a * 4 + b] == (a == b ? 1 : 0));
  }
  // Of experts of two sizes the smaller one counts, and a neuron that it has twice counts once.
  CHECK(overlap_of({{{0, 1, 2, 3}, {2, 2, 9}}, {}})[1] == 0.5);
}

TEST_CASE("a constructed model is inspected over prompts and over a text; a dense one is refused by its name") {
  const ScratchFolder folder;
  ConstructOptions options;
  options.from = std::string(MATHTRAP_SOURCE_DIR) + "/model/zoo/organism";
  options.out = folder / "model";
  options.experts = 4;
  options.select = 2;
  options.method = "upcycle";
  construct_experts(options);
  InspectionInput input;
  input.prompts = {{"Tom has 3 apples."}, {"What is 4 + 5?"}};
  const ExpertInspection inspection = inspect_experts(options.out, input);
  CHECK(inspection.experts == 4);
  CHECK(inspection.select == 2);
  CHECK(inspection.prompts.size() == 2);
  CHECK(inspection.overlap == std::vector<std::vector<double>>(6, std::vector<double>(16, 1)));  // copies
  for (const LayerRouting& layer : inspection.prompts[0].layers) {
    std::int64_t assignments = 0;
    for (const std::int64_t count : layer.chosen) assignments += count;
    CHECK(assignments == 2 * inspection.prompts[0].tokens);
  }

  input.file = folder.write("text.txt", "Tom has 3 apples. Ann has 4 apples. How many apples do they have in all?");
  input.window = 8;
  input.tokens = 16;
  const ExpertInspection text = inspect_experts(options.out, input);
  for (const PromptRouting& window : text.prompts) CHECK(window.tokens == 8);
  CHECK(text.prompts.size() == 2);
  input.window = 1;
  CHECK(contains(error_of([&] { inspect_experts(options.out, input); }), "--window 1"));
  CHECK(contains(error_of([&] { inspect_experts(options.from, input); }), "organism: has no experts"));
}

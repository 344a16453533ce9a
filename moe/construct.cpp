#include "moe/construct.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>
#include <string_view>

#include "model/checkpoint.h"
#include "model/mixture.h"
#include "model/tokenizer.h"
#include "model/weight_shards.h"
#include "moe/split.h"
#include "moe/training_free.h"
#include "support/error.h"
#include "support/files.h"
#include "support/progress.h"
#include "support/random.h"

namespace mathtrap {
namespace {

using std::chrono::steady_clock;

constexpr double kGateDeviation = 0.02;  // LLaMA's initializer_range
constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 30;

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

std::int64_t peak_memory() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

bool is_pruning(const ConstructOptions& options) {
  return options.method.starts_with("prune-");
}

/// Experts are whole feed-forward layers, of which one alone does what the dense model does.
bool is_upcycling(const ConstructOptions& options) {
  return options.method == "upcycle" || options.method == "drop-upcycle";
}

template <typename Values>
void check_choice(const char* option, const std::string& value, const Values& known) {
  std::string list;
  for (const std::string_view name : known) {
    if (name == value) return;
    list += fmt::format("{}{}", list.empty() ? "" : ", ", name);
  }
  throw Error(fmt::format("{} {}: it is one of {}", option, value, list));
}

std::optional<double> number_of(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

void check_options(const ConstructOptions& options) {
  std::vector<std::string_view> methods;
  for (const ConstructionMethod& method : construction_methods()) methods.emplace_back(method.name);
  check_choice("--method", options.method, methods);
  using Names = std::vector<std::string_view>;
  check_choice("--gate", options.gate, Names{"auto", "top-k", "switch", "uniform", "random"});
  check_choice("--router", options.router, Names{"auto", "mlp", "linear", "clusters", "analytic"});
  check_choice("--metric", options.metric, Names{"l2", "cosine"});
  check_choice("--cluster-by", options.cluster_by, Names{"up", "gate"});
  if (!number_of(options.scale)) {
    check_choice("--scale", options.scale, Names{"auto", "none", "published", "mean", "calibrated", "a number"});
  }
  if (options.experts < 1) throw Error(fmt::format("--experts {}: it must be at least 1", options.experts));
  if (options.select < 1 || options.select > options.experts) {
    throw Error(fmt::format("--select {}: it must be from 1 to the {} experts", options.select, options.experts));
  }
  const bool can_share =
      options.method == "cmoe" || options.method == "gradient-split" || options.method == "sharing-inter";
  if (options.shared < 0 || (options.shared > 0 && !can_share)) {
    throw Error(
        fmt::format("--shared {}: it must not be negative, and above 0 only with cmoe, gradient-split and "
                    "sharing-inter",
                    options.shared));
  }
  if (options.gate == "uniform" && options.select != options.experts) {
    throw Error(fmt::format("--gate uniform takes all experts: use --select {}", options.experts));
  }
  if (options.window < 2) throw Error(fmt::format("--window {}: it must be at least 2", options.window));
  if (options.tokens < options.window) {
    throw Error(fmt::format("--tokens {}: it must be at least a window of {}", options.tokens, options.window));
  }
}

void check_dense(const ModelConfig& config, const std::string& source) {
  if (!config.mixture.is_dense())
    fail({source, 0, "model_type"}, "is a mixture of experts already; a dense model is wanted");
  const bool is_plain = config.sliding_window == 0 && !config.query_key_value_bias && !config.attention_output_bias;
  if (config.architecture == Architecture::qwen2 || !is_plain) {
    fail(
        {source, 0, "model_type"},
        "a mixture's published layout has neither biases nor a sliding window; a LLaMA, or a Mistral without a window, "
        "is wanted");
  }
}

/// The statistics that the method asks for.
std::optional<TextStatistics> read_statistics(const ConstructOptions& options, const Checkpoint& checkpoint) {
  const std::optional<StatisticsWanted> wanted = wanted_statistics(options);
  if (!wanted) return std::nullopt;
  if (options.data.empty()) {
    throw Error(fmt::format("--method {} with --scale {} learns from a text: give one by --data FILE.txt",
                            options.method, options.scale));
  }
  const Tokenizer tokenizer(checkpoint.tokenizer_model, checkpoint.source);
  const auto begin = static_cast<TokenId>(checkpoint.config.bos_token_id);
  const std::int64_t window = std::min(options.window, checkpoint.config.max_position_embeddings);
  const TextWindows windows =
      cut_windows(tokenizer, begin, read_file(options.data, kMaxTextBytes), window, options.tokens);
  const Network network = make_network(checkpoint, "cpu");
  TextStatistics statistics = collect_activations(network, windows, *wanted);
  add_importance(options, network, windows, statistics);
  return statistics;
}

at::Tensor drawn(const std::string& name, const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  Random random(seed, name);
  auto* values = tensor.data_ptr<float>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) values[i] = static_cast<float>(random.normal() * kGateDeviation);
  return tensor;
}

/// Makes the mixture of one layer after another.
class Constructor {
 public:
  Constructor(const ConstructOptions& options, const Checkpoint& dense, const TextStatistics* statistics)
      : options_(options), dense_(dense), statistics_(statistics), config_(dense.config) {}

  Construction run() {
    const auto start = steady_clock::now();
    WeightShards shards(options_.out);
    for (const auto& [name, tensor] : dense_.tensors) {
      if (name.find(".mlp.") == name.npos) shards.add(name, tensor);
    }
    Construction construction;
    Progress bar("construct", static_cast<std::uint64_t>(config_.num_hidden_layers), "layers");
    for (std::int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
      construction.layers.push_back(add_layer(layer, shards));
      bar.update(static_cast<std::uint64_t>(layer) + 1);
    }
    shards.finish(config_, dense_.tokenizer_model);
    construction.seconds = seconds_since(start);
    construction.peak_bytes = peak_memory();
    return construction;
  }

 private:
  const at::Tensor& dense_weight(std::int64_t layer, const char* name) const {
    return dense_.tensors.at(fmt::format("model.layers.{}.mlp.{}_proj.weight", layer, name));
  }

  const LayerStatistics* statistics_of(std::int64_t layer) const {
    return statistics_ == nullptr ? nullptr : &statistics_->layers[static_cast<std::size_t>(layer)];
  }

  ConstructedLayer add_layer(std::int64_t layer, WeightShards& shards) {
    const auto start = steady_clock::now();
    LayerWeights weights;
    weights.gate = dense_weight(layer, "gate");
    weights.up = dense_weight(layer, "up");
    weights.down = dense_weight(layer, "down");
    const LayerSplit split = split_layer(options_, weights, layer, statistics_of(layer));
    ConstructedLayer result;
    result.neurons = static_cast<std::int64_t>(split.partition.experts.front().size());
    result.shared = static_cast<std::int64_t>(split.partition.shared.size());
    result.left_out = count_left_out(split.partition);
    if (is_pruning(options_)) {
      add_pruned(layer, weights, split, shards);
    } else {
      result.scale = add_mixture(layer, weights, split, shards);
    }
    result.seconds = seconds_since(start);
    return result;
  }

  std::int64_t count_left_out(const Partition& partition) const {
    std::vector<bool> is_used(static_cast<std::size_t>(dense_.config.intermediate_size));
    const auto use = [&](const std::vector<std::int64_t>& neurons) {
      for (const std::int64_t neuron : neurons) is_used[static_cast<std::size_t>(neuron)] = true;
    };
    use(partition.shared);
    for (const std::vector<std::int64_t>& expert : partition.experts) use(expert);
    return std::count(is_used.begin(), is_used.end(), false);
  }

  static ExpertWeights part_of(const LayerWeights& dense, const std::vector<std::int64_t>& neurons) {
    const at::Tensor index = at::tensor(neurons);
    return {dense.gate.index_select(0, index), dense.up.index_select(0, index), dense.down.index_select(1, index)};
  }

  void add_pruned(std::int64_t layer, const LayerWeights& dense, const LayerSplit& split, WeightShards& shards) {
    const ExpertWeights rest = part_of(dense, split.partition.experts.front());
    const std::string prefix = fmt::format("model.layers.{}.mlp.", layer);
    shards.add(prefix + "gate_proj.weight", rest.gate);
    shards.add(prefix + "up_proj.weight", rest.up);
    shards.add(prefix + "down_proj.weight", rest.down);
    config_.intermediate_size = rest.gate.size(0);
  }

  /// Gives the layer's scale.
  double add_mixture(std::int64_t layer, const LayerWeights& dense, const LayerSplit& split, WeightShards& shards) {
    const auto index = static_cast<std::size_t>(layer);
    if (layer == 0) begin_mixture(split);
    config_.mixture.expert_sizes[index].assign(split.partition.experts.size(),
                                               static_cast<std::int64_t>(split.partition.experts.front().size()));
    MixtureWeights weights;
    const std::vector<MixtureTensor> tensors = mixture_tensors(config_, index, weights);
    for (std::size_t i = 0; i < weights.experts.size(); ++i) {
      weights.experts[i] = part_of(dense, split.partition.experts[i]);
    }
    if (!split.partition.shared.empty()) weights.shared = part_of(dense, split.partition.shared);
    if (options_.method == "drop-upcycle") draw_anew(layer, weights);
    fill_gate(layer, dense, split, weights.gate);
    config_.mixture.score_scale[index] = scale_of(index, dense, weights);
    for (const MixtureTensor& tensor : tensors) {
      shards.add(fmt::format("model.layers.{}.{}", layer, tensor.name), *tensor.tensor);
    }
    return config_.mixture.score_scale[index];
  }

  void begin_mixture(const LayerSplit& split) {
    const bool takes_all = options_.select == options_.experts;
    MixtureConfig& mixture = config_.mixture;
    config_.architecture = Architecture::llama_moe;
    mixture.num_experts = options_.experts;
    mixture.num_selects = options_.select;
    mixture.shared_size = static_cast<std::int64_t>(split.partition.shared.size());
    mixture.expert_sizes.resize(static_cast<std::size_t>(config_.num_hidden_layers));
    mixture.score_scale.assign(static_cast<std::size_t>(config_.num_hidden_layers), 1.0);
    if (options_.gate == "uniform" || (options_.gate == "auto" && takes_all)) {
      mixture.gate = GateKind::uniform_plain;
    } else if (options_.gate == "random") {
      mixture.gate = GateKind::random_plain;
    } else if (options_.gate == "switch") {
      mixture.gate = GateKind::switch_balanced;
    }
    mixture.gate_network = network_of(split);
    const bool is_drawn = mixture.gate_network == GateNetwork::mlp || mixture.gate_network == GateNetwork::linear;
    // Noise would drown what a gate made from data says.
    mixture.add_noise = mixture.gate == GateKind::top_k_balanced_noisy && is_drawn && !split.centroids.defined();
    mixture.multiply_scores = options_.scale != "none" && !(options_.scale == "auto" && is_analytic());
  }

  bool is_analytic() const { return config_.mixture.gate_network == GateNetwork::analytic; }

  GateNetwork network_of(const LayerSplit& split) const {
    const GateKind gate = config_.mixture.gate;
    if (gate == GateKind::uniform_plain || gate == GateKind::random_plain) return GateNetwork::none;
    if (options_.router == "mlp") return GateNetwork::mlp;
    if (options_.router == "linear") return GateNetwork::linear;
    if (options_.router == "clusters" && !split.centroids.defined()) {
      throw Error(fmt::format("--router clusters: the method {} makes no clusters of inputs; gradient-split does",
                              options_.method));
    }
    if (options_.router == "analytic" && split.representatives.empty()) {
      throw Error(
          fmt::format("--router analytic: the method {} names no neuron for each expert; cmoe does", options_.method));
    }
    if (split.centroids.defined()) return GateNetwork::linear;
    return split.representatives.empty() ? GateNetwork::mlp : GateNetwork::analytic;
  }

  void fill_gate(std::int64_t layer, const LayerWeights& dense, const LayerSplit& split, GateWeights& gate) const {
    const std::int64_t experts = options_.experts;
    const at::ScalarType type = dense.gate.scalar_type();
    const auto draw = [&](const char* name, std::int64_t columns) {
      return drawn(fmt::format("gate.{}.{}", layer, name), {experts, columns}, options_.seed).to(type);
    };
    switch (config_.mixture.gate_network) {
      case GateNetwork::none:
        break;
      case GateNetwork::linear:
        gate.linear = split.centroids.defined() && options_.router != "linear" ? split.centroids.to(type)
                                                                               : draw("linear", config_.hidden_size);
        break;
      case GateNetwork::mlp:
        gate.mlp_input = draw("mlp_input", config_.hidden_size);
        gate.mlp_output = draw("mlp_output", experts);
        break;
      case GateNetwork::analytic: {
        const at::Tensor index = at::tensor(split.representatives);
        gate.analytic_gate = dense.gate.index_select(0, index);
        gate.analytic_up = dense.up.index_select(0, index);
        break;
      }
    }
    if (config_.mixture.add_noise) gate.noise = at::zeros({experts, config_.hidden_size}, type);
  }

  /// Drop-upcycling draws with the deviation and mean of the weights that it replaces.
  void draw_anew(std::int64_t layer, const MixtureWeights& weights) const {
    const auto neurons = reinitialised_neurons(dense_.config.intermediate_size, options_.experts, options_.drop_share,
                                               options_.seed, layer);
    for (std::size_t i = 0; i < weights.experts.size(); ++i) {
      const at::Tensor index = at::tensor(neurons[i]);
      const auto redraw = [&](const at::Tensor& weight, std::int64_t dimension, const char* name) {
        const at::Tensor wide = weight.to(at::kFloat);
        std::vector<std::int64_t> shape = weight.sizes().vec();
        shape[static_cast<std::size_t>(dimension)] = index.size(0);
        const at::Tensor fresh = drawn(fmt::format("drop.{}.{}.{}", layer, i, name), shape, options_.seed)
                                     .mul(wide.std().item<double>() / kGateDeviation)
                                     .add(wide.mean().item<double>());
        weight.index_copy_(dimension, index, fresh.to(weight.scalar_type()));
      };
      redraw(weights.experts[i].gate, 0, "gate");
      redraw(weights.experts[i].up, 0, "up");
      redraw(weights.experts[i].down, 1, "down");
    }
  }

  double scale_of(std::size_t layer, const LayerWeights& dense, const MixtureWeights& weights) const {
    const auto experts = static_cast<double>(options_.experts);
    if (const std::optional<double> given = number_of(options_.scale)) return *given;
    if (options_.scale == "none") return 1;
    if (options_.scale == "calibrated") return calibrated_scale(layer, dense, weights);
    // A copy of the whole layer needs no more weight than its score.
    if (is_upcycling(options_)) return 1;
    if (options_.scale == "published") return experts / static_cast<double>(options_.select);
    return config_.mixture.multiply_scores ? experts : 1;
  }

  /// The scale at which the mixture's output is as large as the dense layer's, over the inputs of the text: |s + a r| =
  /// |d| with s what the shared experts give, r what the others give and d what the dense layer gives. Where no scale
  /// does it, the one that comes nearest to d.
  double calibrated_scale(std::size_t layer, const LayerWeights& dense, const MixtureWeights& weights) const {
    const at::NoGradGuard no_gradients;
    const at::Tensor& x = statistics_->layers[layer].inputs;
    const ExpertWeights whole = {dense.gate, dense.up, dense.down};
    const at::Tensor d = run_expert(x, whole).to(at::kDouble);
    const at::Tensor mixed = mix_experts(x, weights, config_, layer, Arithmetic::as_stored, 0).delta.to(at::kDouble);
    const at::Tensor s =
        weights.shared.gate.defined() ? run_expert(x, weights.shared).to(at::kDouble) : at::zeros_like(mixed);
    const at::Tensor r = mixed - s;
    const auto product = [](const at::Tensor& one, const at::Tensor& other) {
      return (one * other).sum().item<double>();
    };
    const double a = product(r, r);
    if (a == 0) return 1;
    const double b = product(s, r);
    const double c = product(s, s) - product(d, d);
    const double root = b * b - a * c;
    if (root >= 0 && -b + std::sqrt(root) > 0) return (-b + std::sqrt(root)) / a;
    return product(d - s, r) / a;
  }

  const ConstructOptions& options_;
  const Checkpoint& dense_;
  const TextStatistics* statistics_;
  ModelConfig config_;
};

}  // namespace

const std::vector<ConstructionMethod>& construction_methods() {
  static const std::vector<ConstructionMethod> methods = {
      {"random", false, "neurons by chance (LLaMA-MoE's IndependentRandom)"},
      {"clustering", false, "balanced k-means of the rows of up_proj or gate_proj (IndependentClustering)"},
      {"coactivation", true, "neurons that are active together, by a balanced cut of their graph"},
      {"gradient", true, "by importance for clusters of texts, each neuron in one expert"},
      {"sharing-inner", true, "the most important neurons of each cluster; experts may overlap"},
      {"sharing-inter", true, "neurons important for many clusters are shared, the rest given out by importance"},
      {"gradient-split", true, "the same with clusters of each layer's inputs, which make the gate (LLaMA-MoE v2)"},
      {"cmoe", true, "shared by rate of activation, the rest by activation profiles, analytic gate (CMoE)"},
      {"upcycle", false, "each expert is a copy of the whole layer (sparse upcycling)"},
      {"drop-upcycle", false, "copies of which a share is drawn anew (drop-upcycling)"},
      {"prune-random", false, "a dense model of the selected size, neurons by chance"},
      {"prune-gradient", true, "a dense model of the selected size, the most important neurons"},
  };
  return methods;
}

Construction construct_experts(const ConstructOptions& options) {
  check_options(options);
  const Checkpoint dense = read_checkpoint(options.from);
  check_dense(dense.config, dense.source);
  const at::NoGradGuard no_gradients;
  const std::optional<TextStatistics> statistics = read_statistics(options, dense);
  return Constructor(options, dense, statistics ? &*statistics : nullptr).run();
}

Json to_json(const ConstructOptions& options, const Construction& construction) {
  Json layers = Json::array();
  for (const ConstructedLayer& layer : construction.layers) {
    layers.push_back({{"seconds", layer.seconds},
                      {"scale", layer.scale},
                      {"neurons", layer.neurons},
                      {"shared_neurons", layer.shared},
                      {"left_out", layer.left_out}});
  }
  return {{"method", options.method},   {"experts", options.experts},      {"select", options.select},
          {"shared", options.shared},   {"seconds", construction.seconds}, {"peak_bytes", construction.peak_bytes},
          {"layers", std::move(layers)}};
}

}  // namespace mathtrap

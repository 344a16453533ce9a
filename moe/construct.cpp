#include "moe/construct.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>

#include "model/checkpoint.h"
#include "model/mapped_tensor.h"
#include "model/mixture_weights.h"
#include "model/tokenizer.h"
#include "model/weight_shards.h"
#include "moe/new_gate.h"
#include "moe/split.h"
#include "moe/training_free.h"
#include "support/error.h"
#include "support/files.h"
#include "support/hash.h"
#include "support/progress.h"

namespace mathtrap {
namespace {

using std::chrono::steady_clock;

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

template <typename Values>
void check_choice(const char* option, const std::string& value, const Values& known) {
  std::string list;
  for (const std::string_view name : known) {
    if (name == value) return;
    list += fmt::format("{}{}", list.empty() ? "" : ", ", name);
  }
  throw Error(fmt::format("{} {}: it is one of {}", option, value, list));
}

void check_merge(const ConstructOptions& options) {
  const bool is_merge = options.method == "merge";
  if (is_merge == options.with.empty()) {
    throw Error(is_merge ? "--method merge: name the other dense models, each by --with MODEL"
                         : "--with: other models are for --method merge");
  }
  if (is_merge && !options.data.empty() && options.data.size() != options.with.size() + 1) {
    throw Error(fmt::format("--data: give no text, or {}: one for --from and one for each --with, in this order",
                            options.with.size() + 1));
  }
  if (is_merge && (options.scale == "calibrated" || is_taught(options))) {
    throw Error(
        "--method merge: there is no one dense layer that its mixtures could be fitted to; give another "
        "--scale and --router");
  }
  if (!is_merge && options.data.size() > 1) throw Error("--data: more than one text is for --method merge");
}

void check_options(const ConstructOptions& options) {
  std::vector<std::string_view> methods;
  for (const ConstructionMethod& method : construction_methods()) methods.emplace_back(method.name);
  check_choice("--method", options.method, methods);
  check_merge(options);
  using Names = std::vector<std::string_view>;
  check_choice("--gate", options.gate, Names{"auto", "top-k", "switch", "uniform", "random"});
  check_choice("--router", options.router, Names{"auto", "mlp", "linear", "clusters", "analytic", "trained", "fitted"});
  check_choice("--router-loss", options.router_loss, Names{"top-k", "divergence"});
  check_choice("--layout", options.layout, Names{"llama-moe", "mixtral"});
  check_choice("--metric", options.metric, Names{"l2", "cosine"});
  check_choice("--cluster-by", options.cluster_by, Names{"up", "gate"});
  if (!is_number(options.scale)) {
    check_choice("--scale", options.scale,
                 Names{"auto", "unit", "none", "published", "mean", "calibrated", "a number"});
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

/// The models of a merge beside the first, which must be of its shape.
std::vector<Checkpoint> read_others(const ConstructOptions& options, const ModelConfig& first) {
  std::vector<Checkpoint> others;
  for (const std::string& path : options.with) {
    others.push_back(read_checkpoint(path));
    const ModelConfig& config = others.back().config;
    check_dense(config, others.back().source);
    const bool is_alike = config.hidden_size == first.hidden_size &&
                          config.intermediate_size == first.intermediate_size &&
                          config.num_hidden_layers == first.num_hidden_layers;
    if (!is_alike) {
      throw Error(fmt::format("--with {}: {} layers of {} and {} neurons do not go with the {} layers of {} and {}",
                              path, config.num_hidden_layers, config.hidden_size, config.intermediate_size,
                              first.num_hidden_layers, first.hidden_size, first.intermediate_size));
    }
  }
  return others;
}

TextWindows windows_of(const ConstructOptions& options, const std::string& text, const Checkpoint& checkpoint) {
  const Tokenizer tokenizer(checkpoint.tokenizer_model, checkpoint.source);
  const auto begin = static_cast<TokenId>(checkpoint.config.bos_token_id);
  const std::int64_t window = std::min(options.window, checkpoint.config.max_position_embeddings);
  return cut_windows(tokenizer, begin, read_file(text, kMaxTextBytes), window, options.tokens);
}

/// All that decides what is collected.
std::string fingerprint_of(const ConstructOptions& options, const StatisticsWanted& wanted) {
  std::string text = fmt::format("{} {} {} {} {} {} {} {} {} {}", sha256_of_path(options.from), options.method,
                                 options.experts, options.seed, options.metric, options.window, options.tokens,
                                 wanted.marked, wanted.coactivation_limit, wanted.input_rows);
  for (const std::string& path : options.data) text += fmt::format(" {}", sha256_of_path(path));
  return text;
}

/// The mean input of each text at each layer.
TextStatistics read_text_means(const ConstructOptions& options, const Checkpoint& checkpoint, const Network& network,
                               const StatisticsWanted& wanted) {
  TextStatistics statistics;
  std::vector<std::vector<at::Tensor>> means(network.layers.size());
  for (const std::string& text : options.data) {
    TextStatistics one;
    StatisticsFile unkept;
    collect_activations(network, windows_of(options, text, checkpoint), wanted, unkept, one);
    for (std::size_t layer = 0; layer < means.size(); ++layer) means[layer].push_back(one.layers[layer].inputs.mean(0));
  }
  statistics.layers.resize(means.size());
  for (std::size_t layer = 0; layer < means.size(); ++layer) {
    statistics.layers[layer].text_means = at::stack(means[layer]);
  }
  return statistics;
}

/// The statistics that the method asks for, as far as `file` lets them be collected; false when they are not whole.
bool read_statistics(const ConstructOptions& options, const StatisticsWanted& wanted, const Checkpoint& checkpoint,
                     StatisticsFile& file, TextStatistics& statistics) {
  if (options.data.empty()) {
    throw Error(
        fmt::format("--method {} with --scale {} and --router {} learns from a text: give one by "
                    "--data FILE.txt",
                    options.method, options.scale, options.router));
  }
  const Network network = make_network(checkpoint, "cpu");
  if (options.method == "merge") {
    statistics = read_text_means(options, checkpoint, network, wanted);
    return true;
  }
  const TextWindows windows = windows_of(options, options.data.front(), checkpoint);
  statistics = file.read();
  return collect_activations(network, windows, wanted, file, statistics) &&
         add_importance(options, network, windows, file, statistics);
}

/// Makes the mixture of one layer after another.
class Constructor {
 public:
  /// `others`: the models of a merge beside the first.
  Constructor(const ConstructOptions& options, const Checkpoint& dense, const std::vector<Checkpoint>& others,
              const TextStatistics* statistics)
      : options_(options), dense_(dense), others_(others), statistics_(statistics), config_(dense.config) {}

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
    construction.experts = options_.experts;
    return construction;
  }

 private:
  static LayerWeights feed_forward(const Checkpoint& checkpoint, std::int64_t layer) {
    const auto weight = [&](const char* name) {
      return checkpoint.tensors.at(fmt::format("model.layers.{}.mlp.{}_proj.weight", layer, name));
    };
    LayerWeights weights;
    weights.gate = weight("gate");
    weights.up = weight("up");
    weights.down = weight("down");
    return weights;
  }

  const LayerStatistics* statistics_of(std::int64_t layer) const {
    return statistics_ == nullptr ? nullptr : &statistics_->layers[static_cast<std::size_t>(layer)];
  }

  ConstructedLayer add_layer(std::int64_t layer, WeightShards& shards) {
    const auto start = steady_clock::now();
    const LayerWeights weights = feed_forward(dense_, layer);
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
    // A layer is not needed again; a file larger than memory passes through it.
    for (const at::Tensor& weight : {weights.gate, weights.up, weights.down}) page_out(weight);
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
    const Partition& partition = split.partition;
    const auto neurons = static_cast<std::int64_t>(partition.experts.front().size());
    if (layer == 0) choose_gate(options_, split, config_);
    config_.mixture.expert_sizes[index].assign(partition.experts.size(), neurons);
    if (config_.architecture == Architecture::mixtral) config_.intermediate_size = neurons;
    MixtureWeights weights;
    const std::vector<MixtureTensor> tensors = mixture_tensors(config_, index, weights);
    for (std::size_t i = 0; i < weights.experts.size(); ++i) {
      const bool is_other = options_.method == "merge" && i > 0;
      weights.experts[i] = is_other ? whole_layer(others_[i - 1], layer) : part_of(dense, partition.experts[i]);
    }
    if (!partition.shared.empty()) weights.shared = part_of(dense, partition.shared);
    if (options_.method == "drop-upcycle") draw_anew(layer, weights);
    fill_gate(options_, config_, layer, dense, split, statistics_of(layer), weights.gate);
    if (config_.mixture.learned_scale) weights.score_scale = at::ones({1}, at::kFloat);
    const double scale = choose_scale(options_, config_, layer, dense, weights, statistics_of(layer));
    set_scale(index, scale, weights);
    for (const MixtureTensor& tensor : tensors) {
      shards.add(fmt::format("model.layers.{}.{}", layer, tensor.name), *tensor.tensor);
    }
    return scale;
  }

  void set_scale(std::size_t layer, double scale, MixtureWeights& weights) {
    if (config_.mixture.learned_scale) {
      weights.score_scale.fill_(scale);
    } else if (config_.architecture == Architecture::mixtral) {
      // Other programs know no scale of a Mixtral's scores: the experts themselves carry it.
      for (ExpertWeights& expert : weights.experts) {
        expert.down = expert.down.to(at::kFloat).mul(scale).to(expert.down.scalar_type());
      }
    } else {
      config_.mixture.score_scale[layer] = scale;
    }
  }

  static ExpertWeights whole_layer(const Checkpoint& checkpoint, std::int64_t layer) {
    const LayerWeights weights = feed_forward(checkpoint, layer);
    return {weights.gate, weights.up, weights.down};
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
        const at::Tensor fresh = draw_weights(fmt::format("drop.{}.{}.{}", layer, i, name), shape, options_.seed)
                                     .mul(wide.std().item<double>() / kDrawnDeviation)
                                     .add(wide.mean().item<double>());
        weight.index_copy_(dimension, index, fresh.to(weight.scalar_type()));
      };
      redraw(weights.experts[i].gate, 0, "gate");
      redraw(weights.experts[i].up, 0, "up");
      redraw(weights.experts[i].down, 1, "down");
    }
  }

  const ConstructOptions& options_;
  const Checkpoint& dense_;
  const std::vector<Checkpoint>& others_;
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
      {"merge", false, "each expert is the whole layer of a model: --from, and those of --with"},
      {"prune-random", false, "a dense model of the selected size, neurons by chance"},
      {"prune-gradient", true, "a dense model of the selected size, the most important neurons"},
  };
  return methods;
}

Construction construct_experts(const ConstructOptions& given) {
  ConstructOptions options = given;
  if (options.method == "merge") options.experts = static_cast<std::int64_t>(options.with.size()) + 1;
  check_options(options);
  refuse_checkpoint(options.out);
  const Checkpoint dense = read_checkpoint(options.from);
  check_dense(dense.config, dense.source);
  const std::vector<Checkpoint> others = read_others(options, dense.config);
  const at::NoGradGuard no_gradients;
  const std::optional<StatisticsWanted> wanted = wanted_statistics(options);
  TextStatistics statistics;
  StatisticsFile file;
  if (wanted) {
    const std::string path = (std::filesystem::path(options.out) / "statistics.safetensors").string();
    file = StatisticsFile(path, fingerprint_of(options, *wanted), options.stop);
    if (!read_statistics(options, *wanted, dense, file, statistics)) {
      Construction interrupted;
      interrupted.finished = false;
      return interrupted;
    }
  }
  Construction construction = Constructor(options, dense, others, wanted ? &statistics : nullptr).run();
  file.remove();
  return construction;
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
  return {{"method", options.method},   {"experts", construction.experts}, {"select", options.select},
          {"shared", options.shared},   {"seconds", construction.seconds}, {"peak_bytes", construction.peak_bytes},
          {"layers", std::move(layers)}};
}

}  // namespace mathtrap

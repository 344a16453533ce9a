#include "moe/split.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string_view>

#include "moe/balanced_clustering.h"
#include "moe/coactivation.h"
#include "moe/importance.h"
#include "moe/new_gate.h"
#include "moe/training_free.h"
#include "support/error.h"

namespace mathtrap {
namespace {

/// Inputs kept of each layer: for clusters, and for the calibration of scales.
constexpr std::int64_t kInputRows = 2048;
constexpr std::int64_t kTaughtRows = 8192;  // that a router is trained on, or fitted to

ClusteringOptions clustering_options(const ConstructOptions& options, std::int64_t layer) {
  ClusteringOptions clustering;
  clustering.metric = options.metric == "cosine" ? ClusterMetric::cosine : ClusterMetric::l2;
  clustering.seed = options.seed;
  clustering.layer = layer;
  return clustering;
}

/// The cluster of each window, by its mean input of the last layer; windows that no balanced cluster has room for go to
/// the nearest one.
std::vector<std::int64_t> window_clusters(const ConstructOptions& options, const TextStatistics& statistics) {
  const BalancedClustering clusters = cluster_inputs(statistics.window_means, options.experts,
                                                     statistics.window_means.size(0), clustering_options(options, 0));
  return nearest_clusters(statistics.window_means, clusters.centroids, clustering_options(options, 0).metric);
}

/// Neurons of one expert where the dense layer is shared out among routed and shared ones.
std::int64_t neurons_each(const ConstructOptions& options, std::int64_t intermediate) {
  const std::int64_t parts = options.experts + options.shared;
  if (intermediate % parts != 0) {
    throw Error(fmt::format("--experts {} and --shared {}: {} parts do not cut the {} neurons of a layer evenly",
                            options.experts, options.shared, parts, intermediate));
  }
  return intermediate / parts;
}

/// The dense layer whole, as often as there are experts.
Partition copies(const ConstructOptions& options, std::int64_t intermediate) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(intermediate));
  std::iota(all.begin(), all.end(), 0);
  return {std::vector<std::vector<std::int64_t>>(static_cast<std::size_t>(options.experts), all), {}};
}

/// Each expert is one model's layer. Its row of the gate is the mean input of that model's text less the mean of all.
LayerSplit merge_split(const ConstructOptions& options, std::int64_t intermediate, const LayerStatistics* statistics) {
  LayerSplit split{copies(options, intermediate), {}, {}};
  if (statistics != nullptr && statistics->text_means.defined()) {
    split.centroids = statistics->text_means - statistics->text_means.mean(0, /*keepdim=*/true);
  }
  return split;
}

/// LLaMA-MoE v2's "gradient split plus": a neuron that is important for many clusters is shared.
LayerSplit gradient_split(const ConstructOptions& options, std::int64_t index, const LayerStatistics& statistics) {
  const std::int64_t each = neurons_each(options, statistics.importance.size(1));
  const BalancedClustering clusters =
      cluster_inputs(statistics.inputs, options.experts, kInputRows, clustering_options(options, index));
  return {sharing_inter_partition(statistics.importance, options.shared, each, RemainingNeurons::greedy),
          clusters.centroids,
          {}};
}

}  // namespace

std::optional<StatisticsWanted> wanted_statistics(const ConstructOptions& options) {
  StatisticsWanted wanted;
  const std::string_view method = options.method;
  bool needed = options.scale == "calibrated" || is_taught(options) || (method == "merge" && !options.data.empty());
  for (const ConstructionMethod& known : construction_methods()) needed |= known.name == method && known.needs_text;
  if (!needed) return std::nullopt;
  wanted.input_rows = is_taught(options) ? kTaughtRows : kInputRows;
  if (method == "cmoe") wanted.marked = options.marked;
  wanted.coactivation = method == "coactivation";
  wanted.coactivation_limit = static_cast<float>(options.coactivation_limit);
  return wanted;
}

bool add_importance(const ConstructOptions& options, const Network& network, const TextWindows& windows,
                    StatisticsFile& file, TextStatistics& statistics) {
  const std::string_view method = options.method;
  if (method == "gradient-split") {
    std::vector<at::Tensor> centroids;
    for (std::size_t i = 0; i < statistics.layers.size(); ++i) {
      const ClusteringOptions clustering = clustering_options(options, static_cast<std::int64_t>(i));
      centroids.push_back(
          cluster_inputs(statistics.layers[i].inputs, options.experts, kInputRows, clustering).centroids);
    }
    const ClusterMetric metric = clustering_options(options, 0).metric;
    const TokenGroups groups = [&](std::size_t /*window*/, std::size_t layer, const at::Tensor& input) {
      return at::tensor(nearest_clusters(input.to(at::kFloat), centroids[layer], metric));
    };
    return collect_importance(network, windows, groups, options.experts, file, statistics);
  }
  const bool is_pruning = method == "prune-gradient";
  if (!is_pruning && method != "gradient" && method != "sharing-inner" && method != "sharing-inter") return true;
  const std::vector<std::int64_t> clusters =
      is_pruning ? std::vector<std::int64_t>(windows.size(), 0) : window_clusters(options, statistics);
  const TokenGroups groups = [&](std::size_t window, std::size_t /*layer*/, const at::Tensor& input) {
    return at::full({input.size(0)}, clusters[window], at::kLong);
  };
  return collect_importance(network, windows, groups, is_pruning ? 1 : options.experts, file, statistics);
}

LayerSplit split_layer(const ConstructOptions& options, const LayerWeights& layer, std::int64_t index,
                       const LayerStatistics* statistics) {
  const std::int64_t intermediate = layer.gate.size(0);
  const std::string_view method = options.method;
  if (method == "random") return {random_partition(intermediate, options.experts, options.seed, index), {}, {}};
  if (method == "clustering") {
    const at::Tensor& rows = options.cluster_by == "gate" ? layer.gate : layer.up;
    return {clustering_partition(rows.to(at::kFloat), options.experts, clustering_options(options, index)), {}, {}};
  }
  if (method == "coactivation") {
    const SparseGraph graph = strongest_neighbours(statistics->coactivation, options.neighbours);
    return {graph_partition(graph, options.experts, options.seed), {}, {}};
  }
  if (method == "gradient") return {greedy_partition(statistics->importance), {}, {}};
  if (method == "sharing-inner") {
    const std::int64_t each = equal_share(intermediate, options.experts);
    return {sharing_inner_partition(statistics->importance, each), {}, {}};
  }
  if (method == "sharing-inter") {
    const std::int64_t each = neurons_each(options, intermediate);
    return {sharing_inter_partition(statistics->importance, options.shared, each, RemainingNeurons::greedy), {}, {}};
  }
  if (method == "gradient-split") return gradient_split(options, index, *statistics);
  if (method == "cmoe") {
    neurons_each(options, intermediate);
    CmoeOptions cmoe;
    cmoe.experts = options.experts;
    cmoe.shared_experts = options.shared;
    CmoeSplit split = cmoe_split(statistics->marks, intermediate, cmoe);
    return {std::move(split.partition), {}, std::move(split.representatives)};
  }
  if (method == "prune-random" || method == "prune-gradient") {
    const std::int64_t size = equal_share(intermediate, options.experts) * options.select;
    return {method == "prune-random" ? random_pruning(intermediate, size, options.seed, index)
                                     : importance_pruning(statistics->importance, size),
            {},
            {}};
  }
  if (method == "merge") return merge_split(options, intermediate, statistics);
  return {copies(options, intermediate), {}, {}};
}

bool is_whole(const Partition& partition, std::int64_t intermediate) {
  std::set<std::int64_t> seen(partition.shared.begin(), partition.shared.end());
  std::size_t count = partition.shared.size();
  for (const std::vector<std::int64_t>& expert : partition.experts) {
    seen.insert(expert.begin(), expert.end());
    count += expert.size();
  }
  return count == seen.size() && static_cast<std::int64_t>(seen.size()) == intermediate;
}

}  // namespace mathtrap

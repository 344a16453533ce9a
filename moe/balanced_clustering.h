// Balanced k-means: clusters of one size, by assignments and centroids in turn.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "moe/balanced_assignment.h"
#include "moe/partition.h"

namespace mathtrap {

/// What assignments and centroids in turn arrive at.
struct BalancedRounds {
  std::vector<std::int64_t> group_of;  ///< of each point
  std::vector<double> objectives;      ///< total cost of each round's assignment; each is below the one before
  bool converged = false;              ///< no further round would lower the objective
};

/// Costs [points, groups] of a round, given the assignment of the round before; an empty one asks for the first costs.
using RoundCosts = std::function<at::Tensor(const std::vector<std::int64_t>& group_of)>;

/// Assigns in balance by `costs`, until the assignment or the objective stays the same, or for `max_rounds` rounds.
BalancedRounds balanced_rounds(const RoundCosts& costs, AssignmentMethod method, std::int64_t max_rounds);

enum class ClusterMetric {
  l2,      ///< squared distance to the centroid, the mean of the cluster's rows
  cosine,  ///< 1 - cosine of the angle to the centroid, the normalised mean
};

struct ClusteringOptions {
  ClusterMetric metric = ClusterMetric::l2;
  AssignmentMethod method = AssignmentMethod::shortest_paths;
  std::int64_t max_rounds = 500;  ///< of LLaMA-MoE
  std::uint64_t seed = 0;
  std::int64_t layer = 0;  ///< each has a start of its own
};

struct BalancedClustering {
  std::vector<std::vector<std::int64_t>> clusters;  ///< their rows, ascending
  std::vector<std::int64_t> cluster_of;             ///< of each row
  at::Tensor centroids;                             ///< [clusters, width], f32, of the final clusters
  std::vector<double> objectives;                   ///< of each round
  bool converged = false;
};

/// Clusters the rows of `rows` [count, width] after normalising each to length 1 (a row of zeros stays one). Starts
/// from k-means++ (Arthur, Vassilvitskii 2007). Every product and sum has a fixed order: the result does not depend on
/// the number of threads. Throws Error when `clusters` does not divide `count`, or a value is not finite.
BalancedClustering balanced_clustering(const at::Tensor& rows, std::int64_t clusters, const ClusteringOptions& options);

/// IndependentClustering (LLaMA-MoE): experts are clusters of the rows of up_proj or gate_proj [intermediate, hidden].
Partition clustering_partition(const at::Tensor& weight, std::int64_t experts, const ClusteringOptions& options);

/// The cluster whose centroid is nearest to each row, after the same normalisation; without balance.
std::vector<std::int64_t> nearest_clusters(const at::Tensor& rows, const at::Tensor& centroids, ClusterMetric metric);

}  // namespace mathtrap

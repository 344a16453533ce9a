// Constructions that keep a model's quality without training: CMoE's experts from activation marks, the clusters of
// layer inputs of LLaMA-MoE v2, and what drop-upcycling draws anew.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "moe/balanced_clustering.h"
#include "moe/partition.h"

namespace mathtrap {

/// The `marked` neurons of largest |h| of each token, ascending: [tokens, marked], i32, from h [tokens, neurons], the
/// inputs of down_proj; of equal ones the lower neuron. CMoE marks 10. The marks of several batches are put one below
/// the other (at::cat). Throws Error when a value is not a number, or fewer neurons than `marked` are there.
at::Tensor activation_marks(const at::Tensor& hidden, std::int64_t marked);

/// How many tokens mark each neuron; divided by the number of tokens these are the activation rates. Throws Error when
/// a mark is not in [0, neurons).
std::vector<std::int64_t> activation_counts(const at::Tensor& marks, std::int64_t neurons);

struct CmoeOptions {
  std::int64_t experts = 0;         ///< routed
  std::int64_t shared_experts = 0;  ///< as large as the routed ones each
  AssignmentMethod method = AssignmentMethod::shortest_paths;
  std::int64_t max_rounds = 500;
};

struct CmoeSplit {
  Partition partition;
  /// Of each expert the neuron whose profile is nearest to the centroid: gate_proj's and up_proj's rows of these make
  /// the analytic router, SiLU(gate x) * (up x). A neuron that no token marked stands for its expert only if all are
  /// such: silence is near to every centroid, because these are small.
  std::vector<std::int64_t> representatives;
  std::vector<double> objectives;  ///< of each round
  bool converged = false;
};

/// CMoE's split of `neurons` by `marks` [tokens, marked], i32. The neurons of highest rate (of equal ones the lower)
/// are shared. A neuron's profile has a 1 for each token that marks it; the rest are assigned in balance by the squared
/// distance between profile and centroid, the mean of the members' profiles. The first centroids are the profiles of
/// the highest rates that remain. Profiles are kept as lists of tokens, of 4 * tokens * marked bytes together, where
/// bits would take tokens * neurons / 8. Throws Error when the experts would not be of one size.
CmoeSplit cmoe_split(const at::Tensor& marks, std::int64_t neurons, const CmoeOptions& options);

/// Balanced clusters of layer inputs (LLaMA-MoE v2). Their centroids are the router's first weights; importance scores,
/// collected for each cluster (`nearest_clusters`), go to sharing_inter_partition with RemainingNeurons::greedy.
/// `inputs` [tokens, hidden] are thinned to the largest multiple of `experts` that is at most `most_tokens`, drawn by
/// the options' seed. Throws Error when fewer tokens than experts are there.
BalancedClustering cluster_inputs(const at::Tensor& inputs, std::int64_t experts, std::int64_t most_tokens,
                                  const ClusteringOptions& options);

/// Drop-upcycling (arXiv 2502.19261): of each of the copies of a feed-forward part the neurons whose weights are drawn
/// anew, ascending: `share` of all, rounded to the nearest, others for each expert, seed and layer. Throws Error unless
/// share is in [0, 1].
std::vector<std::vector<std::int64_t>> reinitialised_neurons(std::int64_t intermediate, std::int64_t experts,
                                                             double share, std::uint64_t seed, std::int64_t layer);

}  // namespace mathtrap

// Experts by the importance of neurons for clusters of texts (LLaMA-MoE, arXiv 2406.16554), and the dense baselines
// that are pruned by it.
//
// Scores are v [experts, neurons]: row i holds, for the texts of cluster i, the mean (or sum) of |h ⊙ ∂L/∂h| over
// tokens, h the input of down_proj; f32 or f64 on the CPU. All functions throw Error when a score is not finite or the
// sizes do not fit; of equal scores the lower expert, then the lower neuron comes first.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "moe/partition.h"

namespace mathtrap {

/// Non-shared: the highest (expert, neuron) score whose neuron is free and whose expert is not full gives the neuron to
/// the expert, until all are given. `experts` must divide the neurons.
Partition greedy_partition(const at::Tensor& scores);

/// SharingInner: each expert has the `expert_size` neurons of highest score of its own row. Experts may overlap, and
/// neurons may be in none.
Partition sharing_inner_partition(const at::Tensor& scores, std::int64_t expert_size);

/// How SharingInter shares out what the residual experts leave.
enum class RemainingNeurons {
  greedy,  ///< as greedy_partition, each expert up to its size: none is in two experts
  inner,   ///< as sharing_inner_partition
};

/// SharingInter: the residual_experts * expert_size neurons that are among the `expert_size` highest of the most rows
/// (of equal ones those of the larger total score, then the lower ones) are shared; each of the experts gets
/// `expert_size` of the others. With RemainingNeurons::greedy and (rows + residual_experts) * expert_size neurons, each
/// is in one list.
Partition sharing_inter_partition(const at::Tensor& scores, std::int64_t residual_experts, std::int64_t expert_size,
                                  RemainingNeurons remaining);

/// Pruning baseline: one expert of `size` neurons drawn at random, others for each seed and layer.
Partition random_pruning(std::int64_t intermediate, std::int64_t size, std::uint64_t seed, std::int64_t layer);

/// Pruning baseline: one expert of the `size` neurons whose scores, summed over the rows, are highest.
Partition importance_pruning(const at::Tensor& scores, std::int64_t size);

}  // namespace mathtrap

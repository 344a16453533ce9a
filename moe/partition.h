// Which neurons of one dense feed-forward part go to which expert.
#pragma once

#include <cstdint>
#include <vector>

namespace mathtrap {

/// Neurons are counted from 0: rows of gate_proj and up_proj, columns of down_proj. Each list ascends.
struct Partition {
  std::vector<std::vector<std::int64_t>> experts;
  std::vector<std::int64_t> shared;  ///< those of the residual experts, which are always on; may be empty
};

/// Throws Error unless there are experts, all of one size above 0, and each list ascends within [0, intermediate).
/// With `disjoint` no neuron may be in two lists, and each must be in one.
void check_partition(const Partition& partition, std::int64_t intermediate, bool disjoint);

/// The neurons of each group, ascending, from the group of each neuron, which is in [0, groups).
std::vector<std::vector<std::int64_t>> members_of_groups(const std::vector<std::int64_t>& group_of,
                                                         std::int64_t groups);

/// intermediate / experts. Throws Error when the experts would not be of one size, or be empty.
std::int64_t equal_share(std::int64_t intermediate, std::int64_t experts);

/// IndependentRandom (LLaMA-MoE, arXiv 2406.16554): the labels 0 to experts - 1, each as often, shuffled; a shuffle of
/// its own for each seed and layer. Throws Error when `experts` does not divide `intermediate`.
Partition random_partition(std::int64_t intermediate, std::int64_t experts, std::uint64_t seed, std::int64_t layer);

}  // namespace mathtrap

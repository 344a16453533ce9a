// Experts of neurons that are active together: their co-activation as a graph, cut into parts of one size by METIS.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "moe/partition.h"

namespace mathtrap {

/// adjacency [n, n] += min(HᵀH, threshold), element by element, for H = `hidden` [tokens, n], the inputs of down_proj
/// of one batch (LLaMA-MoE). All f32 on the CPU, `adjacency` contiguous; it is computed in blocks of rows, so that
/// little memory is taken beside it (n = 11008: 485 MB) and does not depend on the number of threads. Throws Error when
/// the sizes do not fit.
void accumulate_coactivation(const at::Tensor& adjacency, const at::Tensor& hidden, float threshold);

/// An undirected graph with each edge stored at both ends. Neighbours of node i: [starts[i], starts[i + 1]), ascending.
struct SparseGraph {
  std::vector<std::int64_t> starts = {0};
  std::vector<std::int64_t> neighbours;
  std::vector<float> weights;  ///< above 0

  std::int64_t nodes() const { return static_cast<std::int64_t>(starts.size()) - 1; }
};

/// The edges of positive weight that are among the `strongest` of at least one of their two ends, of equal ones the
/// lower neighbour; `adjacency` [n, n] is symmetric, as accumulate_coactivation leaves it. Takes about 100 * n *
/// strongest bytes for a while. Throws Error when a weight is not finite.
SparseGraph strongest_neighbours(const at::Tensor& adjacency, std::int64_t strongest);

/// Sum of the weights of the edges within parts, each edge once.
double inner_weight(const SparseGraph& graph, const std::vector<std::int64_t>& part_of);

/// Moves nodes from parts that are too large to parts that are too small until all are of one size, each time the node
/// whose move loses the least inner weight; of equal ones the lowest node, then the lowest part. Throws Error when
/// `parts` does not divide the number of nodes.
void equalise_parts(const SparseGraph& graph, std::int64_t parts, std::vector<std::int64_t>& part_of);

/// METIS_PartGraphKway (Karypis, Kumar 1998) for least cut weight, then `equalise_parts`. The same graph and seed give
/// the same partition. Throws Error when `experts` does not divide the number of nodes, or there are more than 2^30
/// edge ends.
Partition graph_partition(const SparseGraph& graph, std::int64_t experts, std::uint64_t seed);

}  // namespace mathtrap

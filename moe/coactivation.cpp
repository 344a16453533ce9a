#include "moe/coactivation.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <metis.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <stdexcept>
#include <utility>

#include "model/inference_ops.h"
#include "support/error.h"

namespace mathtrap {
namespace {

constexpr std::int64_t kRowBlock = 256;  // rows of HᵀH computed at a time

/// Sum of all integer edge weights, both ends counted: METIS adds them up in 32 bits.
constexpr double kWeightTotal = 0x1p30;

/// Where the largest positive values of the row of `node` are, at most `count`; its own entry does not count.
std::vector<std::int64_t> strongest_of_row(std::span<const float> row, std::int64_t node, std::int64_t count) {
  std::vector<std::int64_t> candidates;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] > 0 && static_cast<std::int64_t>(i) != node) candidates.push_back(static_cast<std::int64_t>(i));
  }
  const auto stronger = [&](std::int64_t a, std::int64_t b) {
    const float left = row[static_cast<std::size_t>(a)];
    const float right = row[static_cast<std::size_t>(b)];
    return left != right ? left > right : a < b;
  };
  if (static_cast<std::int64_t>(candidates.size()) > count) {
    std::nth_element(candidates.begin(), candidates.begin() + count, candidates.end(), stronger);
    candidates.resize(static_cast<std::size_t>(count));
  }
  return candidates;
}

/// What METIS reads.
struct MetisGraph {
  std::vector<idx_t> starts;
  std::vector<idx_t> neighbours;
  std::vector<idx_t> weights;
};

/// Weights as integers of at least 1 whose sum stays within what METIS can add up.
MetisGraph metis_graph(const SparseGraph& graph) {
  const auto ends = static_cast<double>(graph.weights.size());
  if (ends >= kWeightTotal) {
    throw Error(
        fmt::format("the graph has {} edge ends, METIS takes 2^30; keep fewer neighbours", graph.weights.size()));
  }
  double total = 0;
  for (const float weight : graph.weights) total += static_cast<double>(weight);
  const double scale = total > 0 ? (kWeightTotal - ends) / total : 0;
  MetisGraph result;
  result.starts.assign(graph.starts.begin(), graph.starts.end());
  result.neighbours.assign(graph.neighbours.begin(), graph.neighbours.end());
  result.weights.resize(graph.weights.size());
  // Rounding down and adding 1 keeps the sum below the bound.
  std::transform(graph.weights.begin(), graph.weights.end(), result.weights.begin(),
                 [&](float weight) { return static_cast<idx_t>(1 + std::floor(static_cast<double>(weight) * scale)); });
  return result;
}

std::vector<std::int64_t> metis_parts(const SparseGraph& graph, std::int64_t parts, std::uint64_t seed) {
  MetisGraph input = metis_graph(graph);
  auto nodes = static_cast<idx_t>(graph.nodes());
  auto wanted = static_cast<idx_t>(parts);
  idx_t constraints = 1;
  idx_t cut = 0;
  std::array<idx_t, METIS_NOPTIONS> options{};
  METIS_SetDefaultOptions(options.data());
  options[METIS_OPTION_SEED] = static_cast<idx_t>(seed % static_cast<std::uint64_t>(std::numeric_limits<idx_t>::max()));
  options[METIS_OPTION_UFACTOR] = 1;  // parts at most 0.1% above the mean, where METIS manages
  std::vector<idx_t> part(static_cast<std::size_t>(nodes));
  const int status =
      METIS_PartGraphKway(&nodes, &constraints, input.starts.data(), input.neighbours.data(), nullptr, nullptr,
                          input.weights.data(), &wanted, nullptr, nullptr, options.data(), &cut, part.data());
  if (status != METIS_OK) throw std::runtime_error(fmt::format("METIS failed with status {}", status));
  return {part.begin(), part.end()};
}

/// Weight between each node and each part, [nodes, parts].
std::vector<double> weights_to_parts(const SparseGraph& graph, std::int64_t parts,
                                     const std::vector<std::int64_t>& part_of) {
  std::vector<double> weights(static_cast<std::size_t>(graph.nodes() * parts));
  for (std::int64_t node = 0; node < graph.nodes(); ++node) {
    for (std::int64_t i = graph.starts[static_cast<std::size_t>(node)];
         i < graph.starts[static_cast<std::size_t>(node) + 1]; ++i) {
      const std::int64_t part = part_of[static_cast<std::size_t>(graph.neighbours[static_cast<std::size_t>(i)])];
      weights[static_cast<std::size_t>(node * parts + part)] +=
          static_cast<double>(graph.weights[static_cast<std::size_t>(i)]);
    }
  }
  return weights;
}

}  // namespace

void accumulate_coactivation(const at::Tensor& adjacency, const at::Tensor& hidden, float threshold) {
  if (adjacency.dim() != 2 || hidden.dim() != 2 || adjacency.size(0) != adjacency.size(1) ||
      adjacency.size(0) != hidden.size(1)) {
    throw Error("co-activation needs hidden outputs [tokens, n] and an adjacency [n, n]");
  }
  if (adjacency.scalar_type() != at::kFloat || !adjacency.is_contiguous()) {
    throw Error("the adjacency must be contiguous and of 32-bit floats");
  }
  const at::NoGradGuard no_gradients;
  const std::int64_t neurons = hidden.size(1);
  const at::Tensor columns = hidden.detach().to(at::kCPU, at::kFloat).t().contiguous();
  auto* sums = adjacency.data_ptr<float>();
  for (std::int64_t first = 0; first < neurons; first += kRowBlock) {
    const std::int64_t count = std::min(kRowBlock, neurons - first);
    const at::Tensor block = inference::linear(columns.narrow(0, first, count), {columns});
    const auto* products = block.data_ptr<float>();
    at::parallel_for(0, count * neurons, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) sums[first * neurons + i] += std::min(products[i], threshold);
    });
  }
}

SparseGraph strongest_neighbours(const at::Tensor& adjacency, std::int64_t strongest) {
  if (adjacency.dim() != 2 || adjacency.size(0) != adjacency.size(1)) throw Error("an adjacency must be square");
  if (strongest < 1) throw Error(fmt::format("{} neighbours of a neuron cannot be kept; give 1 or more", strongest));
  const at::Tensor plain = adjacency.to(at::kCPU, at::kFloat).contiguous();
  const std::int64_t nodes = plain.size(0);
  const auto* values = plain.data_ptr<float>();
  std::vector<std::vector<std::pair<std::int64_t, float>>> edges(static_cast<std::size_t>(nodes));
  for (std::int64_t node = 0; node < nodes; ++node) {
    const std::span<const float> row(values + node * nodes, static_cast<std::size_t>(nodes));
    if (!std::all_of(row.begin(), row.end(), [](float value) { return std::isfinite(value); })) {
      throw Error(fmt::format("the adjacency of neuron {} holds a number that is not finite", node));
    }
    for (const std::int64_t other : strongest_of_row(row, node, strongest)) {
      const float weight = row[static_cast<std::size_t>(other)];
      edges[static_cast<std::size_t>(node)].emplace_back(other, weight);
      edges[static_cast<std::size_t>(other)].emplace_back(node, weight);
    }
  }
  SparseGraph graph;
  for (auto& ends : edges) {
    std::sort(ends.begin(), ends.end());
    const auto same_neighbour = [](const auto& a, const auto& b) { return a.first == b.first; };
    ends.erase(std::unique(ends.begin(), ends.end(), same_neighbour), ends.end());  // those that both ends chose
    for (const auto& [other, weight] : ends) {
      graph.neighbours.push_back(other);
      graph.weights.push_back(weight);
    }
    graph.starts.push_back(static_cast<std::int64_t>(graph.neighbours.size()));
  }
  return graph;
}

double inner_weight(const SparseGraph& graph, const std::vector<std::int64_t>& part_of) {
  double sum = 0;
  for (std::size_t node = 0; node < part_of.size(); ++node) {
    for (auto i = static_cast<std::size_t>(graph.starts[node]); i < static_cast<std::size_t>(graph.starts[node + 1]);
         ++i) {
      const auto other = static_cast<std::size_t>(graph.neighbours[i]);
      if (other > node && part_of[other] == part_of[node]) sum += static_cast<double>(graph.weights[i]);
    }
  }
  return sum;
}

void equalise_parts(const SparseGraph& graph, std::int64_t parts, std::vector<std::int64_t>& part_of) {
  const std::int64_t share = equal_share(graph.nodes(), parts);
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(parts));
  for (const std::int64_t part : part_of) ++sizes[static_cast<std::size_t>(part)];
  std::vector<double> weights = weights_to_parts(graph, parts, part_of);
  while (std::any_of(sizes.begin(), sizes.end(), [&](std::int64_t size) { return size > share; })) {
    double least = std::numeric_limits<double>::infinity();
    std::int64_t moved = 0;
    std::int64_t target = 0;
    for (std::int64_t node = 0; node < graph.nodes(); ++node) {
      const std::int64_t from = part_of[static_cast<std::size_t>(node)];
      if (sizes[static_cast<std::size_t>(from)] <= share) continue;
      const double* to_parts = &weights[static_cast<std::size_t>(node * parts)];
      for (std::int64_t to = 0; to < parts; ++to) {
        if (sizes[static_cast<std::size_t>(to)] >= share || to_parts[from] - to_parts[to] >= least) continue;
        least = to_parts[from] - to_parts[to];
        moved = node;
        target = to;
      }
    }
    std::int64_t& part = part_of[static_cast<std::size_t>(moved)];
    for (auto i = static_cast<std::size_t>(graph.starts[static_cast<std::size_t>(moved)]);
         i < static_cast<std::size_t>(graph.starts[static_cast<std::size_t>(moved) + 1]); ++i) {
      double* to_parts = &weights[static_cast<std::size_t>(graph.neighbours[i] * parts)];
      to_parts[part] -= static_cast<double>(graph.weights[i]);
      to_parts[target] += static_cast<double>(graph.weights[i]);
    }
    --sizes[static_cast<std::size_t>(part)];
    ++sizes[static_cast<std::size_t>(target)];
    part = target;
  }
}

Partition graph_partition(const SparseGraph& graph, std::int64_t experts, std::uint64_t seed) {
  equal_share(graph.nodes(), experts);
  std::vector<std::int64_t> part_of(static_cast<std::size_t>(graph.nodes()));
  if (experts > 1) part_of = metis_parts(graph, experts, seed);
  equalise_parts(graph, experts, part_of);
  return {members_of_groups(part_of, experts), {}};
}

}  // namespace mathtrap

// Co-activation by its definition, planted blocks that the partition must find, and moves that lose the least.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "moe/coactivation.h"
#include "support/error.h"
#include "support/random.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

at::Tensor random_hidden(std::int64_t tokens, std::int64_t neurons, std::uint64_t seed) {
  at::Tensor hidden = at::empty({tokens, neurons}, at::kFloat);
  Random random(seed);
  for (std::int64_t i = 0; i < hidden.numel(); ++i) hidden.data_ptr<float>()[i] = static_cast<float>(random.normal());
  return hidden;
}

/// A symmetric adjacency of random weights, some below 0; those between nodes of one block are `inside` higher.
at::Tensor block_adjacency(const std::vector<std::int64_t>& block_of, double inside, std::uint64_t seed) {
  const auto nodes = static_cast<std::int64_t>(block_of.size());
  at::Tensor adjacency = at::zeros({nodes, nodes}, at::kFloat);
  auto* values = adjacency.data_ptr<float>();
  Random random(seed);
  for (std::int64_t a = 0; a < nodes; ++a) {
    for (std::int64_t b = 0; b <= a; ++b) {
      const bool same = block_of[static_cast<std::size_t>(a)] == block_of[static_cast<std::size_t>(b)];
      values[a * nodes + b] = static_cast<float>(random.uniform() - 0.2 + (same ? inside : 0));
      values[b * nodes + a] = values[a * nodes + b];
    }
  }
  return adjacency;
}

std::vector<std::int64_t> shuffled_blocks(std::int64_t nodes, std::int64_t blocks, std::uint64_t seed) {
  std::vector<std::int64_t> block_of;
  for (std::int64_t i = 0; i < nodes; ++i) block_of.push_back(i % blocks);
  Random(seed).shuffle(std::span(block_of));
  return block_of;
}

double weight_between(const SparseGraph& graph, std::int64_t a, std::int64_t b) {
  for (auto i = static_cast<std::size_t>(graph.starts[static_cast<std::size_t>(a)]);
       i < static_cast<std::size_t>(graph.starts[static_cast<std::size_t>(a) + 1]); ++i) {
    if (graph.neighbours[i] == b) return static_cast<double>(graph.weights[i]);
  }
  return 0;
}

}  // namespace

TEST_CASE("co-activation sums products over tokens, each batch up to the threshold") {
  const std::int64_t neurons = 300;  // more than one block of rows
  const at::Tensor adjacency = at::zeros({neurons, neurons}, at::kFloat);
  std::vector<double> expected(static_cast<std::size_t>(neurons * neurons));
  constexpr float kThreshold = 1.5F;
  for (std::uint64_t batch = 0; batch < 2; ++batch) {
    const at::Tensor hidden = random_hidden(7, neurons, batch);
    accumulate_coactivation(adjacency, hidden, kThreshold);
    const auto* h = hidden.data_ptr<float>();
    for (std::int64_t a = 0; a < neurons; ++a) {
      for (std::int64_t b = 0; b < neurons; ++b) {
        double product = 0;
        for (std::int64_t token = 0; token < 7; ++token) {
          product += static_cast<double>(h[token * neurons + a]) * static_cast<double>(h[token * neurons + b]);
        }
        expected[static_cast<std::size_t>(a * neurons + b)] += std::min(product, static_cast<double>(kThreshold));
      }
    }
  }
  double worst = 0;
  for (std::int64_t i = 0; i < adjacency.numel(); ++i) {
    worst = std::max(
        worst, std::abs(static_cast<double>(adjacency.data_ptr<float>()[i]) - expected[static_cast<std::size_t>(i)]));
  }
  CHECK(worst < 1e-5);
  CHECK(adjacency.equal(adjacency.t()));
}

TEST_CASE("co-activation does not depend on the number of threads") {
  const at::Tensor hidden = random_hidden(33, 290, 3);
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> results;
  for (const int count : {1, 3}) {
    at::set_num_threads(count);
    results.push_back(at::zeros({290, 290}, at::kFloat));
    accumulate_coactivation(results.back(), hidden, 2.0F);
  }
  at::set_num_threads(threads);
  CHECK(results[0].equal(results[1]));
}

TEST_CASE("the sparse graph has the strongest positive edges of each node") {
  const at::Tensor adjacency = block_adjacency(shuffled_blocks(30, 3, 1), 0.3, 2);
  const auto* values = adjacency.data_ptr<float>();
  const SparseGraph graph = strongest_neighbours(adjacency, 4);
  REQUIRE(graph.nodes() == 30);
  // Rank of b among a's neighbours, counted.
  const auto kept_by = [&](std::int64_t a, std::int64_t b) {
    if (a == b || values[a * 30 + b] <= 0) return false;
    int stronger = 0;
    for (std::int64_t c = 0; c < 30; ++c) {
      if (c != a && (values[a * 30 + c] > values[a * 30 + b] || (values[a * 30 + c] == values[a * 30 + b] && c < b)))
        ++stronger;
    }
    return stronger < 4;
  };
  for (std::int64_t a = 0; a < 30; ++a) {
    for (std::int64_t b = 0; b < 30; ++b) {
      const bool kept = kept_by(a, b) || kept_by(b, a);
      CHECK(weight_between(graph, a, b) == (kept ? static_cast<double>(values[a * 30 + b]) : 0.0));
    }
  }
}

TEST_CASE("the graph partition recovers planted blocks") {
  const auto [nodes, blocks, strongest] =
      GENERATE(table<std::int64_t, std::int64_t, std::int64_t>({{64, 4, 63}, {64, 4, 12}, {240, 8, 29}, {96, 2, 20}}));
  const std::vector<std::int64_t> block_of = shuffled_blocks(nodes, blocks, 5);
  const SparseGraph graph = strongest_neighbours(block_adjacency(block_of, 2.0, 6), strongest);
  const Partition partition = graph_partition(graph, blocks, 1);
  check_partition(partition, nodes, true);
  for (const auto& expert : partition.experts) {
    for (const std::int64_t neuron : expert) {
      CHECK(block_of[static_cast<std::size_t>(neuron)] == block_of[static_cast<std::size_t>(expert.front())]);
    }
  }
  CHECK(partition.experts == graph_partition(graph, blocks, 1).experts);
}

TEST_CASE("weights far apart, or hardly any, are no trouble to the graph partition") {
  std::vector<std::int64_t> block_of = shuffled_blocks(40, 4, 5);
  at::Tensor adjacency = block_adjacency(block_of, 1.0, 6);
  adjacency.data_ptr<float>()[1] = 1e30F;
  adjacency.data_ptr<float>()[40] = 1e30F;
  check_partition(graph_partition(strongest_neighbours(adjacency, 8), 4, 1), 40, true);
  check_partition(graph_partition(strongest_neighbours(at::zeros({40, 40}, at::kFloat), 8), 4, 1), 40, true);
  CHECK(graph_partition(strongest_neighbours(adjacency, 8), 1, 1).experts.front().size() == 40);
  check_partition(graph_partition(strongest_neighbours(adjacency, 8), 40, 1), 40, true);
}

TEST_CASE("each move that equalises parts loses the least inner weight") {
  const SparseGraph graph = strongest_neighbours(block_adjacency(shuffled_blocks(24, 3, 1), 0.2, 9), 6);
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    // Part 0 has nine nodes, the others eight and seven: one node moves, from part 0 to part 2.
    std::vector<std::int64_t> part_of;
    for (std::int64_t i = 0; i < 24; ++i) part_of.push_back(i < 9 ? 0 : (i < 17 ? 1 : 2));
    Random(seed).shuffle(std::span(part_of));
    double most = -std::numeric_limits<double>::infinity();
    for (std::size_t node = 0; node < 24; ++node) {
      if (part_of[node] != 0) continue;
      std::vector<std::int64_t> other = part_of;
      other[node] = 2;
      most = std::max(most, inner_weight(graph, other));
    }
    equalise_parts(graph, 3, part_of);
    for (std::int64_t part = 0; part < 3; ++part) CHECK(std::count(part_of.begin(), part_of.end(), part) == 8);
    CHECK(inner_weight(graph, part_of) == Approx(most));
  }
}

TEST_CASE("many moves equalise parts as one by one searching does") {
  const SparseGraph graph = strongest_neighbours(block_adjacency(shuffled_blocks(24, 3, 1), 0.2, 4), 8);
  std::vector<std::int64_t> part_of(24);  // all in part 0
  std::vector<std::int64_t> expected = part_of;
  for (int moves = 0; moves < 16; ++moves) {
    std::vector<std::int64_t> best;
    double most = -std::numeric_limits<double>::infinity();
    for (std::size_t node = 0; node < 24; ++node) {
      for (std::int64_t to = 1; expected[node] == 0 && to < 3; ++to) {
        if (std::count(expected.begin(), expected.end(), to) == 8) continue;
        std::vector<std::int64_t> other = expected;
        other[node] = to;
        const double weight = inner_weight(graph, other);
        if (weight <= most + 1e-9) continue;
        most = weight;
        best = other;
      }
    }
    expected = best;
  }
  equalise_parts(graph, 3, part_of);
  CHECK(part_of == expected);
}

TEST_CASE("co-activation that does not fit is refused") {
  CHECK_THROWS_AS(accumulate_coactivation(at::zeros({4, 5}), at::zeros({3, 5}), 1.0F), Error);
  CHECK_THROWS_AS(accumulate_coactivation(at::zeros({5, 5}), at::zeros({3, 4}), 1.0F), Error);
  CHECK_THROWS_AS(strongest_neighbours(at::zeros({5, 4}), 2), Error);
  CHECK_THROWS_AS(strongest_neighbours(at::zeros({5, 5}), 0), Error);
  at::Tensor adjacency = at::zeros({5, 5}, at::kFloat);
  CHECK_THROWS_AS(graph_partition(strongest_neighbours(adjacency, 2), 3, 1), Error);
  adjacency.data_ptr<float>()[11] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(strongest_neighbours(adjacency, 2), Catch::Contains("neuron 2"));
}

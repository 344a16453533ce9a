// Splits by importance: against the sentence that defines each, and hand-made scores whose answer is known.
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include "moe/importance.h"
#include "support/error.h"
#include "support/random.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

using NeuronLists = std::vector<std::vector<std::int64_t>>;

at::Tensor score_tensor(const std::vector<std::vector<double>>& rows) {
  at::Tensor scores =
      at::empty({static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows[0].size())}, at::kDouble);
  auto* value = scores.data_ptr<double>();
  for (const auto& row : rows) value = std::copy(row.begin(), row.end(), value);
  return scores;
}

/// Whole numbers up to `highest`, so that small ones give many ties.
at::Tensor random_scores(std::int64_t experts, std::int64_t neurons, std::int64_t highest, std::uint64_t seed) {
  std::vector<std::vector<double>> rows(static_cast<std::size_t>(experts),
                                        std::vector<double>(static_cast<std::size_t>(neurons)));
  Random random(seed);
  for (auto& row : rows) {
    for (double& score : row) score = static_cast<double>(random.uniform_int(0, highest));
  }
  return score_tensor(rows);
}

/// The sentence word by word: look through all pairs for the highest whose neuron is free and whose expert has room.
NeuronLists greedy_by_definition(const at::Tensor& scores, std::int64_t size, std::set<std::int64_t> taken) {
  NeuronLists experts(static_cast<std::size_t>(scores.size(0)));
  for (std::int64_t given = 0; given < size * scores.size(0); ++given) {
    double best = -std::numeric_limits<double>::infinity();
    std::int64_t best_expert = -1;
    std::int64_t best_neuron = -1;
    for (std::int64_t expert = 0; expert < scores.size(0); ++expert) {
      if (static_cast<std::int64_t>(experts[static_cast<std::size_t>(expert)].size()) == size) continue;
      for (std::int64_t neuron = 0; neuron < scores.size(1); ++neuron) {
        const double score = scores.data_ptr<double>()[expert * scores.size(1) + neuron];
        if (taken.count(neuron) != 0 || score <= best) continue;
        best = score;
        best_expert = expert;
        best_neuron = neuron;
      }
    }
    taken.insert(best_neuron);
    experts[static_cast<std::size_t>(best_expert)].push_back(best_neuron);
  }
  for (auto& expert : experts) std::sort(expert.begin(), expert.end());
  return experts;
}

/// A neuron is among the top when fewer than `size` others come before it.
std::vector<std::int64_t> top_by_definition(const at::Tensor& scores, std::int64_t expert, std::int64_t size,
                                            const std::set<std::int64_t>& left_out) {
  const double* row = scores.data_ptr<double>() + expert * scores.size(1);
  std::vector<std::int64_t> top;
  for (std::int64_t neuron = 0; neuron < scores.size(1); ++neuron) {
    std::int64_t before = 0;
    for (std::int64_t other = 0; other < scores.size(1); ++other) {
      if (left_out.count(other) != 0) continue;
      if (row[other] > row[neuron] || (row[other] == row[neuron] && other < neuron)) ++before;
    }
    if (left_out.count(neuron) == 0 && before < size) top.push_back(neuron);
  }
  return top;
}

}  // namespace

TEST_CASE("the greedy split is the one that its definition gives") {
  const auto highest = GENERATE(2, 1000000);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const at::Tensor scores = random_scores(4, 20, highest, seed);
    const Partition partition = greedy_partition(scores);
    check_partition(partition, 20, true);
    CHECK(partition.experts == greedy_by_definition(scores, 5, {}));
    CHECK(partition.shared.empty());
  }
}

TEST_CASE("greedy: a full expert's neuron goes where it counts next") {
  // Expert 0 wants all; it gets the two it wants most.
  CHECK(greedy_partition(score_tensor({{9, 8, 7, 6}, {1, 2, 3, 4}})).experts == NeuronLists{{0, 1}, {2, 3}});
  // Equal everywhere: expert 0 is filled first, from neuron 0 on.
  CHECK(greedy_partition(score_tensor({{1, 1, 1, 1}, {1, 1, 1, 1}})).experts == NeuronLists{{0, 1}, {2, 3}});
}

TEST_CASE("sharing inner: each expert has its own highest neurons") {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const at::Tensor scores = random_scores(3, 12, seed % 2 == 0 ? 3 : 1000000, seed);
    const Partition partition = sharing_inner_partition(scores, 5);
    check_partition(partition, 12, false);
    for (std::int64_t expert = 0; expert < 3; ++expert) {
      CHECK(partition.experts[static_cast<std::size_t>(expert)] == top_by_definition(scores, expert, 5, {}));
    }
  }
}

TEST_CASE("sharing inter: what most experts choose is shared") {
  // Top two of the rows: {0, 5}, {0, 4}, {4, 5}, {0, 1}. Neuron 0 is chosen three times, 4 and 5 twice; the total of 5
  // is larger.
  const at::Tensor scores = score_tensor({{9, 1, 2, 3, 0, 8, 0, 0, 1, 2},
                                          {9, 0, 0, 1, 8, 1, 3, 4, 2, 1},
                                          {0, 1, 2, 0, 8, 9, 4, 3, 2, 1},
                                          {9, 7, 1, 2, 0, 1, 3, 3, 4, 6}});
  const Partition greedy = sharing_inter_partition(scores, 1, 2, RemainingNeurons::greedy);
  CHECK(greedy.shared == std::vector<std::int64_t>{0, 5});
  check_partition(greedy, 10, true);  // 4 * 2 + 2 neurons
  // From the highest: (1, 4) 8, (2, 4) is taken, (3, 1) 7, (3, 9) 6; then 4s: (1, 7), (2, 6); 3: (0, 3); 2s: (0, 2),
  // (2, 8).
  CHECK(greedy.experts == NeuronLists{{2, 3}, {4, 7}, {6, 8}, {1, 9}});
  const Partition inner = sharing_inter_partition(scores, 1, 2, RemainingNeurons::inner);
  CHECK(inner.shared == greedy.shared);
  CHECK(inner.experts == NeuronLists{{2, 3}, {4, 7}, {4, 6}, {1, 9}});
}

TEST_CASE("sharing inter leaves the rest to the splits above") {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const at::Tensor scores = random_scores(3, 20, seed % 2 == 0 ? 4 : 1000000, seed);
    const Partition greedy = sharing_inter_partition(scores, 2, 4, RemainingNeurons::greedy);
    const std::set<std::int64_t> shared(greedy.shared.begin(), greedy.shared.end());
    REQUIRE(shared.size() == 8);
    check_partition(greedy, 20, true);
    CHECK(greedy.experts == greedy_by_definition(scores, 4, shared));
    const Partition inner = sharing_inter_partition(scores, 2, 4, RemainingNeurons::inner);
    CHECK(inner.shared == greedy.shared);
    for (std::int64_t expert = 0; expert < 3; ++expert) {
      CHECK(inner.experts[static_cast<std::size_t>(expert)] == top_by_definition(scores, expert, 4, shared));
    }
    // Nothing that is left out was chosen more often than something that is shared.
    std::vector<int> chosen(20);
    for (std::int64_t expert = 0; expert < 3; ++expert) {
      for (const std::int64_t neuron : top_by_definition(scores, expert, 4, {}))
        ++chosen[static_cast<std::size_t>(neuron)];
    }
    for (const std::int64_t in : greedy.shared) {
      for (std::int64_t out = 0; out < 20; ++out) {
        if (shared.count(out) == 0)
          CHECK(chosen[static_cast<std::size_t>(in)] >= chosen[static_cast<std::size_t>(out)]);
      }
    }
  }
  const at::Tensor scores = random_scores(4, 8, 100, 1);
  CHECK(sharing_inter_partition(scores, 0, 2, RemainingNeurons::greedy).experts == greedy_partition(scores).experts);
}

TEST_CASE("pruning keeps one expert") {
  const at::Tensor scores = score_tensor({{5, 0, 1, 2}, {0, 3, 1, 2}});  // sums 5, 3, 2, 4
  CHECK(importance_pruning(scores, 2).experts == NeuronLists{{0, 3}});
  const Partition drawn = random_pruning(40, 10, 3, 1);
  check_partition(drawn, 40, false);
  CHECK(drawn.experts.front().size() == 10);
  CHECK(drawn.experts == random_pruning(40, 10, 3, 1).experts);
  CHECK(drawn.experts != random_pruning(40, 10, 3, 2).experts);
  CHECK(drawn.experts != random_pruning(40, 10, 4, 1).experts);
}

TEST_CASE("scores and sizes that do not fit are refused") {
  const at::Tensor scores = random_scores(3, 12, 100, 1);
  CHECK_THROWS_AS(greedy_partition(random_scores(5, 12, 100, 1)), Error);
  CHECK_THROWS_AS(sharing_inner_partition(scores, 13), Error);
  CHECK_THROWS_AS(sharing_inner_partition(scores, 0), Error);
  CHECK_THROWS_AS(sharing_inter_partition(scores, 2, 3, RemainingNeurons::greedy), Error);
  CHECK_NOTHROW(sharing_inter_partition(scores, 3, 3, RemainingNeurons::inner));
  CHECK_THROWS_AS(sharing_inter_partition(scores, 4, 3, RemainingNeurons::inner), Error);
  CHECK_THROWS_AS(sharing_inter_partition(scores, std::numeric_limits<std::int64_t>::max(), 3, RemainingNeurons::inner),
                  Error);
  CHECK_THROWS_AS(random_pruning(4, 5, 1, 0), Error);
  scores.data_ptr<double>()[15] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(greedy_partition(scores), Catch::Contains("neuron 3 for expert 1"));
}

#include "moe/importance.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "support/error.h"
#include "support/random.h"

namespace mathtrap {
namespace {

struct ScoreTable {
  std::vector<double> values;
  std::int64_t experts = 0;
  std::int64_t neurons = 0;

  std::span<const double> row(std::int64_t expert) const {
    return std::span(values).subspan(static_cast<std::size_t>(expert * neurons), static_cast<std::size_t>(neurons));
  }
};

ScoreTable read_scores(const at::Tensor& scores) {
  if (scores.dim() != 2 || scores.size(0) < 1) throw Error("importance scores must be [experts, neurons]");
  const at::Tensor wide = scores.detach().to(at::kCPU, at::kDouble).contiguous();
  const auto* values = wide.data_ptr<double>();
  ScoreTable table{std::vector<double>(values, values + wide.numel()), scores.size(0), scores.size(1)};
  for (std::int64_t i = 0; i < wide.numel(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw Error(fmt::format("the importance of neuron {} for expert {} is not a finite number", i % table.neurons,
                            i / table.neurons));
  }
  return table;
}

void check_size(std::int64_t wanted, std::int64_t neurons) {
  if (wanted < 1 || wanted > neurons) {
    throw Error(fmt::format("{} of {} neurons cannot be chosen; give a size from 1 to {}", wanted, neurons, neurons));
  }
}

/// The neurons of `candidates` with the highest scores, ascending. `candidates` ascends.
std::vector<std::int64_t> highest(std::span<const double> scores, std::vector<std::int64_t> candidates,
                                  std::int64_t count) {
  std::stable_sort(candidates.begin(), candidates.end(), [&](std::int64_t a, std::int64_t b) {
    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
  });
  candidates.resize(static_cast<std::size_t>(count));
  std::sort(candidates.begin(), candidates.end());
  return candidates;
}

std::vector<std::int64_t> all_neurons(std::int64_t count) {
  std::vector<std::int64_t> neurons(static_cast<std::size_t>(count));
  std::iota(neurons.begin(), neurons.end(), 0);
  return neurons;
}

/// Neurons that are not in `taken`; both ascend.
std::vector<std::int64_t> without(std::int64_t neurons, const std::vector<std::int64_t>& taken) {
  std::vector<std::int64_t> rest;
  const std::vector<std::int64_t> all = all_neurons(neurons);
  std::set_difference(all.begin(), all.end(), taken.begin(), taken.end(), std::back_inserter(rest));
  return rest;
}

using Experts = std::vector<std::vector<std::int64_t>>;

Experts inner_experts(const ScoreTable& scores, const std::vector<std::int64_t>& candidates, std::int64_t size) {
  Experts experts;
  for (std::int64_t expert = 0; expert < scores.experts; ++expert) {
    experts.push_back(highest(scores.row(expert), candidates, size));
  }
  return experts;
}

Experts greedy_experts(const ScoreTable& scores, const std::vector<std::int64_t>& candidates, std::int64_t size) {
  std::vector<std::pair<std::int64_t, std::int64_t>> order;  // expert, neuron
  for (std::int64_t expert = 0; expert < scores.experts; ++expert) {
    for (const std::int64_t neuron : candidates) order.emplace_back(expert, neuron);
  }
  const auto score = [&](const auto& pair) { return scores.row(pair.first)[static_cast<std::size_t>(pair.second)]; };
  std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) { return score(a) > score(b); });
  Experts experts(static_cast<std::size_t>(scores.experts));
  std::vector<char> taken(static_cast<std::size_t>(scores.neurons));
  for (const auto& [expert, neuron] : order) {
    std::vector<std::int64_t>& members = experts[static_cast<std::size_t>(expert)];
    if (taken[static_cast<std::size_t>(neuron)] != 0 || static_cast<std::int64_t>(members.size()) == size) continue;
    taken[static_cast<std::size_t>(neuron)] = 1;
    members.push_back(neuron);
  }
  for (auto& members : experts) std::sort(members.begin(), members.end());
  return experts;
}

std::vector<double> total_scores(const ScoreTable& scores) {
  std::vector<double> totals(static_cast<std::size_t>(scores.neurons));
  for (std::int64_t expert = 0; expert < scores.experts; ++expert) {
    const auto row = scores.row(expert);
    for (std::size_t i = 0; i < totals.size(); ++i) totals[i] += row[i];
  }
  return totals;
}

}  // namespace

Partition greedy_partition(const at::Tensor& scores) {
  const ScoreTable table = read_scores(scores);
  const std::int64_t size = equal_share(table.neurons, table.experts);
  return {greedy_experts(table, all_neurons(table.neurons), size), {}};
}

Partition sharing_inner_partition(const at::Tensor& scores, std::int64_t expert_size) {
  const ScoreTable table = read_scores(scores);
  check_size(expert_size, table.neurons);
  return {inner_experts(table, all_neurons(table.neurons), expert_size), {}};
}

Partition sharing_inter_partition(const at::Tensor& scores, std::int64_t residual_experts, std::int64_t expert_size,
                                  RemainingNeurons remaining) {
  const ScoreTable table = read_scores(scores);
  check_size(expert_size, table.neurons);
  const std::int64_t disjoint = remaining == RemainingNeurons::greedy ? table.experts : 1;
  if (residual_experts < 0 || residual_experts > table.neurons / expert_size - disjoint) {
    throw Error(fmt::format("{} residual and {} other experts of {} neurons need more than the {} there are",
                            residual_experts, disjoint, expert_size, table.neurons));
  }
  const std::vector<std::int64_t> all = all_neurons(table.neurons);
  std::vector<std::int64_t> times_chosen(all.size());
  for (const auto& chosen : inner_experts(table, all, expert_size)) {
    for (const std::int64_t neuron : chosen) ++times_chosen[static_cast<std::size_t>(neuron)];
  }
  const std::vector<double> totals = total_scores(table);
  std::vector<std::int64_t> shared = all;
  std::stable_sort(shared.begin(), shared.end(), [&](std::int64_t a, std::int64_t b) {
    const auto rank = [&](std::int64_t neuron) {
      return std::pair(times_chosen[static_cast<std::size_t>(neuron)], totals[static_cast<std::size_t>(neuron)]);
    };
    return rank(a) > rank(b);
  });
  shared.resize(static_cast<std::size_t>(residual_experts * expert_size));
  std::sort(shared.begin(), shared.end());
  const std::vector<std::int64_t> rest = without(table.neurons, shared);
  return {remaining == RemainingNeurons::greedy ? greedy_experts(table, rest, expert_size)
                                                : inner_experts(table, rest, expert_size),
          std::move(shared)};
}

Partition random_pruning(std::int64_t intermediate, std::int64_t size, std::uint64_t seed, std::int64_t layer) {
  check_size(size, intermediate);
  std::vector<std::int64_t> neurons = all_neurons(intermediate);
  Random(seed, fmt::format("random pruning of layer {}", layer)).shuffle(std::span(neurons));
  neurons.resize(static_cast<std::size_t>(size));
  std::sort(neurons.begin(), neurons.end());
  return {{neurons}, {}};
}

Partition importance_pruning(const at::Tensor& scores, std::int64_t size) {
  const ScoreTable table = read_scores(scores);
  check_size(size, table.neurons);
  return {{highest(total_scores(table), all_neurons(table.neurons), size)}, {}};
}

}  // namespace mathtrap

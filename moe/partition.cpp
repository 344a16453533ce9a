#include "moe/partition.h"

#include <fmt/format.h>

#include <span>
#include <string>

#include "support/error.h"
#include "support/random.h"

namespace mathtrap {
namespace {

/// Counts in `uses` how often each neuron is in a list.
void check_neurons(const std::vector<std::int64_t>& neurons, const std::string& name, std::vector<int>& uses) {
  std::int64_t previous = -1;
  for (const std::int64_t neuron : neurons) {
    if (neuron < 0 || neuron >= static_cast<std::int64_t>(uses.size())) {
      throw Error(fmt::format("{} holds neuron {}; the feed-forward part has {}", name, neuron, uses.size()));
    }
    if (neuron <= previous) {
      throw Error(fmt::format("{} lists neuron {} behind {}; neurons must ascend", name, neuron, previous));
    }
    previous = neuron;
    ++uses[static_cast<std::size_t>(neuron)];
  }
}

}  // namespace

void check_partition(const Partition& partition, std::int64_t intermediate, bool disjoint) {
  if (partition.experts.empty()) throw Error("the partition has no experts");
  std::vector<int> uses(static_cast<std::size_t>(intermediate));
  const std::size_t size = partition.experts.front().size();
  for (std::size_t expert = 0; expert < partition.experts.size(); ++expert) {
    const std::vector<std::int64_t>& neurons = partition.experts[expert];
    if (neurons.empty()) throw Error(fmt::format("expert {} has no neurons", expert));
    if (neurons.size() != size) {
      throw Error(fmt::format("expert {} has {} neurons, expert 0 has {}; experts must be of one size", expert,
                              neurons.size(), size));
    }
    check_neurons(neurons, fmt::format("expert {}", expert), uses);
  }
  check_neurons(partition.shared, "the residual experts' list", uses);
  if (!disjoint) return;
  for (std::size_t neuron = 0; neuron < uses.size(); ++neuron) {
    if (uses[neuron] == 1) continue;
    throw Error(fmt::format("neuron {} is in {} lists; each must be in one", neuron, uses[neuron]));
  }
}

std::vector<std::vector<std::int64_t>> members_of_groups(const std::vector<std::int64_t>& group_of,
                                                         std::int64_t groups) {
  std::vector<std::vector<std::int64_t>> members(static_cast<std::size_t>(groups));
  for (std::size_t i = 0; i < group_of.size(); ++i) {
    members[static_cast<std::size_t>(group_of[i])].push_back(static_cast<std::int64_t>(i));
  }
  return members;
}

std::int64_t equal_share(std::int64_t intermediate, std::int64_t experts) {
  if (experts < 1 || intermediate < 1 || intermediate % experts != 0) {
    throw Error(
        fmt::format("{} neurons cannot be shared out equally among {} experts; give a number of experts that "
                    "divides {}",
                    intermediate, experts, intermediate));
  }
  return intermediate / experts;
}

Partition random_partition(std::int64_t intermediate, std::int64_t experts, std::uint64_t seed, std::int64_t layer) {
  equal_share(intermediate, experts);
  std::vector<std::int64_t> labels(static_cast<std::size_t>(intermediate));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i) % experts;
  Random(seed, fmt::format("random partition of layer {}", layer)).shuffle(std::span(labels));
  return {members_of_groups(labels, experts), {}};
}

}  // namespace mathtrap

#include "moe/training_free.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include "support/error.h"
#include "support/random.h"

namespace mathtrap {
namespace {

/// Of each point the tokens that mark it, ascending: [starts[i], starts[i + 1]) of `tokens`.
struct Profiles {
  std::vector<std::size_t> starts = {0};
  std::vector<std::int32_t> tokens;
  std::int64_t token_count = 0;

  std::int64_t points() const { return static_cast<std::int64_t>(starts.size()) - 1; }
  std::span<const std::int32_t> of(std::int64_t point) const {
    const std::size_t first = starts[static_cast<std::size_t>(point)];
    return std::span(tokens).subspan(first, starts[static_cast<std::size_t>(point) + 1] - first);
  }
};

/// The profiles of `neurons`, in that order.
Profiles profiles_of(const at::Tensor& marks, const std::vector<std::int64_t>& counts,
                     const std::vector<std::int64_t>& neurons) {
  Profiles profiles;
  profiles.token_count = marks.size(0);
  std::vector<std::int64_t> next(counts.size(), -1);  // where the next token of a neuron goes
  for (const std::int64_t neuron : neurons) {
    next[static_cast<std::size_t>(neuron)] = static_cast<std::int64_t>(profiles.starts.back());
    profiles.starts.push_back(profiles.starts.back() +
                              static_cast<std::size_t>(counts[static_cast<std::size_t>(neuron)]));
  }
  profiles.tokens.resize(profiles.starts.back());
  const auto* mark = marks.data_ptr<std::int32_t>();
  for (std::int64_t i = 0; i < marks.numel(); ++i) {
    std::int64_t& place = next[static_cast<std::size_t>(mark[i])];
    if (place >= 0) profiles.tokens[static_cast<std::size_t>(place++)] = static_cast<std::int32_t>(i / marks.size(1));
  }
  return profiles;
}

/// Of each group, how many members each token marks. Divided by the size these are centroids; whole numbers keep the
/// costs exact.
struct GroupCounts {
  std::vector<std::vector<std::int64_t>> of_token;  ///< [groups][tokens]
  std::int64_t size = 1;                            ///< members of a group
};

GroupCounts group_counts(const Profiles& profiles, const std::vector<std::vector<std::int64_t>>& groups) {
  GroupCounts counts{{}, static_cast<std::int64_t>(groups.front().size())};
  for (const auto& members : groups) {
    std::vector<std::int64_t>& of_token = counts.of_token.emplace_back(profiles.token_count);
    for (const std::int64_t point : members) {
      for (const std::int32_t token : profiles.of(point)) ++of_token[static_cast<std::size_t>(token)];
    }
  }
  return counts;
}

/// Squared distances [points, groups]: |profile|^2 - 2 profile · centroid + |centroid|^2.
at::Tensor profile_costs(const Profiles& profiles, const GroupCounts& counts) {
  const auto groups = static_cast<std::int64_t>(counts.of_token.size());
  const auto size = static_cast<double>(counts.size);
  at::Tensor costs = at::empty({profiles.points(), groups}, at::kDouble);
  auto* cost = costs.data_ptr<double>();
  at::parallel_for(0, groups, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t group = first; group < last; ++group) {
      const std::vector<std::int64_t>& of_token = counts.of_token[static_cast<std::size_t>(group)];
      const auto square =
          static_cast<double>(std::inner_product(of_token.begin(), of_token.end(), of_token.begin(), std::int64_t{0}));
      for (std::int64_t point = 0; point < profiles.points(); ++point) {
        std::int64_t product = 0;
        for (const std::int32_t token : profiles.of(point)) product += of_token[static_cast<std::size_t>(token)];
        cost[point * groups + group] = static_cast<double>(profiles.of(point).size()) -
                                       2 * static_cast<double>(product) / size + square / (size * size);
      }
    }
  });
  return costs;
}

/// Neurons from the highest count to the lowest, of equal ones the lower first.
std::vector<std::int64_t> by_rate(const std::vector<std::int64_t>& counts) {
  std::vector<std::int64_t> neurons(counts.size());
  std::iota(neurons.begin(), neurons.end(), 0);
  std::stable_sort(neurons.begin(), neurons.end(), [&](std::int64_t a, std::int64_t b) {
    return counts[static_cast<std::size_t>(a)] > counts[static_cast<std::size_t>(b)];
  });
  return neurons;
}

/// The member of each group that is nearest to its centroid.
std::vector<std::int64_t> nearest_members(const Profiles& profiles,
                                          const std::vector<std::vector<std::int64_t>>& groups) {
  const at::Tensor costs = profile_costs(profiles, group_counts(profiles, groups));
  const auto count = static_cast<std::int64_t>(groups.size());
  std::vector<std::int64_t> nearest;
  for (std::int64_t group = 0; group < count; ++group) {
    const auto rank = [&](std::int64_t point) {
      return std::pair(profiles.of(point).empty(), costs.data_ptr<double>()[point * count + group]);
    };
    const auto& members = groups[static_cast<std::size_t>(group)];
    nearest.push_back(*std::min_element(members.begin(), members.end(),
                                        [&](std::int64_t a, std::int64_t b) { return rank(a) < rank(b); }));
  }
  return nearest;
}

void check_marks(const at::Tensor& marks) {
  if (marks.dim() != 2 || marks.scalar_type() != at::kInt || marks.size(0) > std::numeric_limits<std::int32_t>::max()) {
    throw Error("activation marks must be 32-bit integers [tokens, marked], of fewer than 2^31 tokens");
  }
}

}  // namespace

at::Tensor activation_marks(const at::Tensor& hidden, std::int64_t marked) {
  if (hidden.dim() != 2 || marked < 1 || marked > hidden.size(1)) {
    throw Error(
        fmt::format("{} neurons of a token cannot be marked; hidden outputs must be [tokens, neurons], with as "
                    "many neurons or more",
                    marked));
  }
  const at::Tensor plain = hidden.detach().to(at::kCPU, at::kFloat).contiguous();
  const std::int64_t neurons = plain.size(1);
  at::Tensor marks = at::empty({plain.size(0), marked}, at::kInt);
  const auto* values = plain.data_ptr<float>();
  if (std::any_of(values, values + plain.numel(), [](float value) { return std::isnan(value); })) {
    throw Error("hidden outputs hold values that are not numbers");
  }
  at::parallel_for(0, plain.size(0), 1, [&](std::int64_t first, std::int64_t last) {
    std::vector<std::int32_t> order(static_cast<std::size_t>(neurons));
    for (std::int64_t token = first; token < last; ++token) {
      const float* row = values + token * neurons;
      std::iota(order.begin(), order.end(), 0);
      std::nth_element(order.begin(), order.begin() + marked - 1, order.end(), [row](std::int32_t a, std::int32_t b) {
        const float left = std::abs(row[a]);
        const float right = std::abs(row[b]);
        return left != right ? left > right : a < b;
      });
      std::sort(order.begin(), order.begin() + marked);
      std::copy(order.begin(), order.begin() + marked, marks.data_ptr<std::int32_t>() + token * marked);
    }
  });
  return marks;
}

std::vector<std::int64_t> activation_counts(const at::Tensor& marks, std::int64_t neurons) {
  check_marks(marks);
  const at::Tensor plain = marks.contiguous();
  std::vector<std::int64_t> counts(static_cast<std::size_t>(neurons));
  for (std::int64_t i = 0; i < plain.numel(); ++i) {
    const std::int32_t neuron = plain.data_ptr<std::int32_t>()[i];
    if (neuron < 0 || neuron >= neurons) {
      throw Error(
          fmt::format("token {} marks neuron {}; the feed-forward part has {}", i / plain.size(1), neuron, neurons));
    }
    ++counts[static_cast<std::size_t>(neuron)];
  }
  return counts;
}

CmoeSplit cmoe_split(const at::Tensor& marks, std::int64_t neurons, const CmoeOptions& options) {
  if (options.experts < 1 || options.shared_experts < 0 || options.experts > neurons ||
      options.shared_experts > neurons) {
    throw Error(fmt::format("CMoE needs 1 to {} routed experts and 0 to {} shared ones, not {} and {}", neurons,
                            neurons, options.experts, options.shared_experts));
  }
  const std::int64_t size = equal_share(neurons, options.experts + options.shared_experts);
  const std::vector<std::int64_t> counts = activation_counts(marks, neurons);
  const std::vector<std::int64_t> order = by_rate(counts);
  const auto shared_end = order.begin() + options.shared_experts * size;
  // Ascending, so that a point's number orders as its neuron does.
  std::vector<std::int64_t> routed(shared_end, order.end());
  std::sort(routed.begin(), routed.end());
  const Profiles profiles = profiles_of(marks.contiguous(), counts, routed);
  std::vector<std::vector<std::int64_t>> starts;  // groups of one point each
  for (std::int64_t expert = 0; expert < options.experts; ++expert) {
    starts.push_back({std::lower_bound(routed.begin(), routed.end(), shared_end[expert]) - routed.begin()});
  }
  const auto costs = [&](const std::vector<std::int64_t>& group_of) {
    return profile_costs(
        profiles, group_counts(profiles, group_of.empty() ? starts : members_of_groups(group_of, options.experts)));
  };
  BalancedRounds rounds = balanced_rounds(costs, options.method, options.max_rounds);
  CmoeSplit split;
  split.objectives = std::move(rounds.objectives);
  split.converged = rounds.converged;
  split.partition.shared.assign(order.begin(), shared_end);
  std::sort(split.partition.shared.begin(), split.partition.shared.end());
  split.partition.experts = members_of_groups(rounds.group_of, options.experts);
  split.representatives = nearest_members(profiles, split.partition.experts);
  const auto neuron_of = [&](std::int64_t point) { return routed[static_cast<std::size_t>(point)]; };
  for (auto& expert : split.partition.experts) std::transform(expert.begin(), expert.end(), expert.begin(), neuron_of);
  std::transform(split.representatives.begin(), split.representatives.end(), split.representatives.begin(), neuron_of);
  return split;
}

BalancedClustering cluster_inputs(const at::Tensor& inputs, std::int64_t experts, std::int64_t most_tokens,
                                  const ClusteringOptions& options) {
  if (inputs.dim() != 2 || experts < 1) throw Error("layer inputs to cluster must be [tokens, hidden]");
  const std::int64_t sampled = std::min(inputs.size(0), most_tokens) / experts * experts;
  if (sampled < experts) {
    throw Error(fmt::format("{} of {} tokens cannot be shared out among {} clusters; give more tokens", most_tokens,
                            inputs.size(0), experts));
  }
  std::vector<std::int64_t> tokens(static_cast<std::size_t>(inputs.size(0)));
  std::iota(tokens.begin(), tokens.end(), 0);
  Random(options.seed, fmt::format("sampled inputs of layer {}", options.layer)).shuffle(std::span(tokens));
  tokens.resize(static_cast<std::size_t>(sampled));
  std::sort(tokens.begin(), tokens.end());
  const at::Tensor chosen = at::from_blob(tokens.data(), {sampled}, at::kLong);
  return balanced_clustering(at::index_select(inputs.detach().to(at::kCPU), 0, chosen), experts, options);
}

std::vector<std::vector<std::int64_t>> reinitialised_neurons(std::int64_t intermediate, std::int64_t experts,
                                                             double share, std::uint64_t seed, std::int64_t layer) {
  if (!(share >= 0 && share <= 1)) throw Error(fmt::format("a share of {} cannot be drawn anew; give 0 to 1", share));
  if (experts < 1 || intermediate < 1) throw Error("upcycling needs neurons and an expert or more");
  const std::int64_t count = std::llround(share * static_cast<double>(intermediate));
  std::vector<std::vector<std::int64_t>> drawn;
  for (std::int64_t expert = 0; expert < experts; ++expert) {
    std::vector<std::int64_t>& neurons = drawn.emplace_back(static_cast<std::size_t>(intermediate));
    std::iota(neurons.begin(), neurons.end(), 0);
    Random(seed, fmt::format("drop-upcycling of layer {}, expert {}", layer, expert)).shuffle(std::span(neurons));
    neurons.resize(static_cast<std::size_t>(count));
    std::sort(neurons.begin(), neurons.end());
  }
  return drawn;
}

}  // namespace mathtrap

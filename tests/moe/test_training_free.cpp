// Constructions without training: marks by their definition, planted groups with noise, and what is drawn anew.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "moe/training_free.h"
#include "support/error.h"
#include "support/random.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

constexpr std::int64_t kPlantedNeurons = 40;
constexpr std::int64_t kPlantedGroups = 4;  ///< of eight neurons each; eight more are active for all tokens

/// Of each neuron its planted group; -1: always active.
std::vector<std::int64_t> planted_groups() {
  std::vector<std::int64_t> group_of;
  for (std::int64_t i = 0; i < kPlantedNeurons; ++i) group_of.push_back(i % 5 - 1);
  Random(3).shuffle(std::span(group_of));
  return group_of;
}

/// Tokens of four kinds: the neurons of the token's kind and those that are always active are large, of either sign,
/// most of the time.
at::Tensor planted_hidden(std::int64_t tokens) {
  const std::vector<std::int64_t> group_of = planted_groups();
  at::Tensor hidden = at::empty({tokens, kPlantedNeurons}, at::kFloat);
  Random random(17);
  for (std::int64_t token = 0; token < tokens; ++token) {
    for (std::int64_t neuron = 0; neuron < kPlantedNeurons; ++neuron) {
      const std::int64_t group = group_of[static_cast<std::size_t>(neuron)];
      double value = random.normal();
      if ((group < 0 || group == token % kPlantedGroups) && random.uniform() < 0.9)
        value += random.uniform() < 0.5 ? 9 : -9;
      hidden.data_ptr<float>()[token * kPlantedNeurons + neuron] = static_cast<float>(value);
    }
  }
  return hidden;
}

at::Tensor random_marks(std::int64_t tokens, std::int64_t neurons, std::int64_t marked, std::uint64_t seed) {
  at::Tensor hidden = at::empty({tokens, neurons}, at::kFloat);
  Random random(seed);
  for (std::int64_t i = 0; i < hidden.numel(); ++i) hidden.data_ptr<float>()[i] = static_cast<float>(random.normal());
  return activation_marks(hidden, marked);
}

/// Profiles as plain 0 and 1, [neurons][tokens].
std::vector<std::vector<double>> plain_profiles(const at::Tensor& marks, std::int64_t neurons) {
  std::vector<std::vector<double>> profiles(static_cast<std::size_t>(neurons),
                                            std::vector<double>(static_cast<std::size_t>(marks.size(0))));
  for (std::int64_t i = 0; i < marks.numel(); ++i) {
    profiles[static_cast<std::size_t>(marks.data_ptr<std::int32_t>()[i])][static_cast<std::size_t>(i / marks.size(1))] =
        1;
  }
  return profiles;
}

double squared_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

std::vector<double> mean_profile(const std::vector<std::vector<double>>& profiles,
                                 const std::vector<std::int64_t>& members) {
  std::vector<double> mean(profiles.front().size());
  for (const std::int64_t member : members) {
    for (std::size_t i = 0; i < mean.size(); ++i) {
      mean[i] += profiles[static_cast<std::size_t>(member)][i] / static_cast<double>(members.size());
    }
  }
  return mean;
}

}  // namespace

TEST_CASE("marks are the neurons of largest magnitude") {
  at::Tensor hidden = at::empty({2, 5}, at::kFloat);
  const std::vector<float> values = {0.1F, -3, 2, 0.5F, -0.2F, 1, -1, 1, 1, 0};
  std::copy(values.begin(), values.end(), hidden.data_ptr<float>());
  const at::Tensor marks = activation_marks(hidden, 2);
  const auto* mark = marks.data_ptr<std::int32_t>();
  CHECK(std::vector<std::int32_t>(mark, mark + 4) == std::vector<std::int32_t>{1, 2, 0, 1});
  CHECK(activation_counts(marks, 5) == std::vector<std::int64_t>{1, 2, 1, 0, 0});
}

TEST_CASE("CMoE finds planted groups of neurons and shares those that are always active") {
  const std::vector<std::int64_t> group_of = planted_groups();
  const at::Tensor marks = activation_marks(planted_hidden(400), 16);
  const auto method = GENERATE(AssignmentMethod::shortest_paths, AssignmentMethod::network_simplex);
  CmoeOptions options;
  options.experts = kPlantedGroups;
  options.shared_experts = 1;
  options.method = method;
  const CmoeSplit split = cmoe_split(marks, kPlantedNeurons, options);
  check_partition(split.partition, kPlantedNeurons, true);
  CHECK(split.converged);
  for (const std::int64_t neuron : split.partition.shared) CHECK(group_of[static_cast<std::size_t>(neuron)] == -1);
  REQUIRE(split.partition.shared.size() == 8);
  for (const auto& expert : split.partition.experts) {
    for (const std::int64_t neuron : expert) {
      CHECK(group_of[static_cast<std::size_t>(neuron)] == group_of[static_cast<std::size_t>(expert.front())]);
    }
  }
}

TEST_CASE("CMoE's split satisfies its definition") {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const at::Tensor marks = random_marks(50, 24, 5, seed);
    CmoeOptions options;
    options.experts = 3;
    options.shared_experts = 1;
    const CmoeSplit split = cmoe_split(marks, 24, options);
    check_partition(split.partition, 24, true);
    REQUIRE(split.converged);
    const auto profiles = plain_profiles(marks, 24);
    const auto counts = activation_counts(marks, 24);
    for (const std::int64_t shared : split.partition.shared) {
      for (const auto& expert : split.partition.experts) {
        for (const std::int64_t neuron : expert) {
          CHECK(counts[static_cast<std::size_t>(shared)] >= counts[static_cast<std::size_t>(neuron)]);
        }
      }
    }
    double objective = 0;
    std::vector<std::vector<double>> centroids;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto& expert = split.partition.experts[i];
      centroids.push_back(mean_profile(profiles, expert));
      const auto distance = [&](std::int64_t neuron) {
        return squared_distance(profiles[static_cast<std::size_t>(neuron)], centroids[i]);
      };
      for (const std::int64_t neuron : expert) {
        objective += distance(neuron);
        CHECK(distance(split.representatives[i]) <= distance(neuron) + 1e-9);
      }
      CHECK(std::binary_search(expert.begin(), expert.end(), split.representatives[i]));
    }
    CHECK(split.objectives.back() == Approx(objective));
    // No exchange of two neurons comes nearer to the centroids.
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        for (const std::int64_t a : split.partition.experts[i]) {
          for (const std::int64_t b : split.partition.experts[j]) {
            const auto& of_a = profiles[static_cast<std::size_t>(a)];
            const auto& of_b = profiles[static_cast<std::size_t>(b)];
            CHECK(squared_distance(of_a, centroids[i]) + squared_distance(of_b, centroids[j]) <=
                  squared_distance(of_a, centroids[j]) + squared_distance(of_b, centroids[i]) + 1e-9);
          }
        }
      }
    }
  }
}

TEST_CASE("a neuron that is never marked does not stand for an expert") {
  // Neuron 0 and 1 are marked by half of the tokens each, 2 and 3 by none.
  at::Tensor marks = at::empty({10, 1}, at::kInt);
  for (std::int32_t token = 0; token < 10; ++token) marks.data_ptr<std::int32_t>()[token] = token % 2;
  CmoeOptions options;
  options.experts = 2;
  const CmoeSplit split = cmoe_split(marks, 4, options);
  std::vector<std::int64_t> representatives = split.representatives;
  std::sort(representatives.begin(), representatives.end());
  CHECK(representatives == std::vector<std::int64_t>{0, 1});
}

TEST_CASE("CMoE does not depend on the number of threads") {
  const at::Tensor marks = random_marks(300, 64, 6, 2);
  CmoeOptions options;
  options.experts = 7;
  options.shared_experts = 1;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const CmoeSplit one = cmoe_split(marks, 64, options);
  at::set_num_threads(3);
  const CmoeSplit three = cmoe_split(marks, 64, options);
  CHECK(random_marks(300, 64, 6, 2).equal(marks));
  at::set_num_threads(threads);
  CHECK(one.partition.experts == three.partition.experts);
  CHECK(one.representatives == three.representatives);
  CHECK(one.objectives == three.objectives);
}

TEST_CASE("marks that do not fit are refused") {
  const at::Tensor marks = random_marks(10, 24, 5, 1);
  CmoeOptions options;
  options.experts = 4;
  options.shared_experts = 1;
  CHECK_THROWS_WITH(cmoe_split(marks, 24, options), Catch::Contains("24") && Catch::Contains("5"));
  CHECK_THROWS_AS(cmoe_split(marks, 24, {0, 1, {}, 500}), Error);
  CHECK_THROWS_AS(cmoe_split(marks, 24, {std::numeric_limits<std::int64_t>::max(), 1, {}, 500}), Error);
  CHECK_THROWS_AS(cmoe_split(marks.to(at::kLong), 25, options), Error);
  CHECK_THROWS_AS(activation_counts(marks, 5), Error);
  CHECK_THROWS_AS(random_marks(10, 4, 5, 1), Error);
  at::Tensor hidden = at::empty({1, 2}, at::kFloat);
  hidden.fill_(std::numeric_limits<float>::quiet_NaN());
  CHECK_THROWS_AS(activation_marks(hidden, 1), Error);
}

TEST_CASE("inputs are clustered in balance, and their kind is found again") {
  const at::Tensor inputs = planted_hidden(202);
  at::Tensor plain = inputs.abs();  // signs are random; magnitudes tell the kind
  const BalancedClustering found = cluster_inputs(plain, kPlantedGroups, 103, {});
  REQUIRE(found.clusters.size() == 4);
  for (const auto& cluster : found.clusters) CHECK(cluster.size() == 25);
  const std::vector<std::int64_t> nearest = nearest_clusters(plain, found.centroids, ClusterMetric::l2);
  int agreeing = 0;
  for (std::size_t token = 4; token < nearest.size(); ++token) agreeing += nearest[token] == nearest[token % 4] ? 1 : 0;
  CHECK(agreeing > 180);
  CHECK_THROWS_AS(cluster_inputs(plain, 4, 3, {}), Error);
}

TEST_CASE("drop-upcycling draws a share of each expert's neurons anew") {
  const auto drawn = reinitialised_neurons(100, 4, 0.5, 1, 2);
  REQUIRE(drawn.size() == 4);
  for (const auto& neurons : drawn) {
    CHECK(neurons.size() == 50);
    check_partition({{neurons}, {}}, 100, false);
  }
  CHECK(drawn[0] != drawn[1]);
  CHECK(drawn == reinitialised_neurons(100, 4, 0.5, 1, 2));
  CHECK(drawn != reinitialised_neurons(100, 4, 0.5, 1, 3));
  CHECK(drawn != reinitialised_neurons(100, 4, 0.5, 2, 2));
  CHECK(reinitialised_neurons(10, 2, 0.0, 1, 0)[1].empty());
  CHECK(reinitialised_neurons(10, 2, 1.0, 1, 0)[0].size() == 10);
  CHECK(reinitialised_neurons(10, 1, 0.26, 1, 0)[0].size() == 3);
  CHECK_THROWS_AS(reinitialised_neurons(10, 2, 1.5, 1, 0), Error);
  CHECK_THROWS_AS(reinitialised_neurons(10, 2, std::numeric_limits<double>::quiet_NaN(), 1, 0), Error);
}

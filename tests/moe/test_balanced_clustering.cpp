// Balanced k-means: planted clusters, the objective by its definition, rounds that never raise it, threads.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include "moe/balanced_clustering.h"
#include "support/error.h"
#include "support/random.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

at::Tensor random_rows(std::int64_t count, std::int64_t width, std::uint64_t seed) {
  at::Tensor rows = at::empty({count, width}, at::kFloat);
  Random random(seed);
  for (std::int64_t i = 0; i < rows.numel(); ++i) rows.data_ptr<float>()[i] = static_cast<float>(random.normal());
  return rows;
}

/// Row i points along axis i % clusters, with noise and a length of its own.
at::Tensor planted_rows(std::int64_t count, std::int64_t clusters, std::int64_t width) {
  at::Tensor rows = random_rows(count, width, 11);
  for (std::int64_t i = 0; i < count; ++i) {
    float* row = rows.data_ptr<float>() + i * width;
    const auto length = static_cast<float>(1 + i % 5);
    for (std::int64_t j = 0; j < width; ++j) row[j] = length * (0.05F * row[j] + (j == i % clusters ? 1.0F : 0.0F));
  }
  return rows;
}

/// The unit vectors of the rows, in double.
std::vector<std::vector<double>> unit_rows(const at::Tensor& rows) {
  std::vector<std::vector<double>> units;
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    const float* row = rows.data_ptr<float>() + i * rows.size(1);
    std::vector<double> unit(row, row + rows.size(1));
    const double length = std::sqrt(std::inner_product(unit.begin(), unit.end(), unit.begin(), 0.0));
    for (double& value : unit) value /= length;
    units.push_back(unit);
  }
  return units;
}

/// With clusters' own means: half the mean over all pairs' squared distances, per cluster, has no centroid in it.
/// The cosine objective of a cluster of n unit rows is n - |their sum|.
double objective_by_definition(const at::Tensor& rows, const std::vector<std::vector<std::int64_t>>& clusters,
                               ClusterMetric metric) {
  const auto units = unit_rows(rows);
  double total = 0;
  for (const auto& members : clusters) {
    double products = 0;  // of all ordered pairs: the squared length of the sum
    for (const std::int64_t a : members) {
      for (const std::int64_t b : members) {
        const auto& left = units[static_cast<std::size_t>(a)];
        products += std::inner_product(left.begin(), left.end(), units[static_cast<std::size_t>(b)].begin(), 0.0);
      }
    }
    const auto size = static_cast<double>(members.size());
    total += metric == ClusterMetric::l2 ? size - products / size : size - std::sqrt(products);
  }
  return total;
}

}  // namespace

TEST_CASE("balanced clustering recovers planted clusters") {
  const auto metric = GENERATE(ClusterMetric::l2, ClusterMetric::cosine);
  const auto method = GENERATE(AssignmentMethod::shortest_paths, AssignmentMethod::network_simplex);
  const at::Tensor rows = planted_rows(64, 4, 12);
  const BalancedClustering found = balanced_clustering(rows, 4, {metric, method, 500, 1, 0});
  CHECK(found.converged);
  std::set<std::int64_t> labels;
  for (const auto& cluster : found.clusters) {
    REQUIRE(cluster.size() == 16);
    for (const std::int64_t row : cluster) CHECK(row % 4 == cluster.front() % 4);
    labels.insert(cluster.front() % 4);
  }
  CHECK(labels.size() == 4);
}

TEST_CASE("no round raises the objective, and the last one is the clusters' own") {
  const auto metric = GENERATE(ClusterMetric::l2, ClusterMetric::cosine);
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const at::Tensor rows = random_rows(60, 7, seed);
    const BalancedClustering found =
        balanced_clustering(rows, 5, {metric, AssignmentMethod::shortest_paths, 500, seed, 0});
    CHECK(found.converged);
    REQUIRE(found.objectives.size() > 1);
    for (std::size_t i = 1; i < found.objectives.size(); ++i) CHECK(found.objectives[i] < found.objectives[i - 1]);
    // Where nothing moves any more, the centroids that the last round used are the means of its clusters.
    CHECK(found.objectives.back() == Approx(objective_by_definition(rows, found.clusters, metric)).epsilon(1e-3));
    CHECK(found.objectives.back() >= objective_by_definition(rows, found.clusters, metric) - 1e-4);
  }
}

TEST_CASE("at the end no exchange of two rows between centroids would help") {
  const at::Tensor rows = random_rows(48, 6, 4);
  const BalancedClustering found = balanced_clustering(rows, 4, {});
  const auto units = unit_rows(rows);
  const auto distance = [&](std::int64_t row, std::int64_t cluster) {
    double sum = 0;
    for (std::int64_t i = 0; i < rows.size(1); ++i) {
      const double difference = units[static_cast<std::size_t>(row)][static_cast<std::size_t>(i)] -
                                static_cast<double>(found.centroids.data_ptr<float>()[cluster * rows.size(1) + i]);
      sum += difference * difference;
    }
    return sum;
  };
  for (std::int64_t a = 0; a < 48; ++a) {
    for (std::int64_t b = 0; b < a; ++b) {
      const std::int64_t of_a = found.cluster_of[static_cast<std::size_t>(a)];
      const std::int64_t of_b = found.cluster_of[static_cast<std::size_t>(b)];
      CHECK(distance(a, of_a) + distance(b, of_b) <= distance(a, of_b) + distance(b, of_a) + 1e-5);
    }
  }
}

TEST_CASE("clusters follow from the seed and the layer, not from the number of threads") {
  const at::Tensor rows = random_rows(240, 33, 9);
  const int threads = at::get_num_threads();
  ClusteringOptions options;
  options.seed = 5;
  at::set_num_threads(1);
  const BalancedClustering one = balanced_clustering(rows, 8, options);
  at::set_num_threads(3);
  const BalancedClustering three = balanced_clustering(rows, 8, options);
  at::set_num_threads(threads);
  CHECK(one.cluster_of == three.cluster_of);
  CHECK(one.objectives == three.objectives);
  CHECK(one.centroids.equal(three.centroids));
  options.layer = 1;
  CHECK(balanced_clustering(rows, 8, options).cluster_of != one.cluster_of);
}

TEST_CASE("rounds are limited, and rows of zeros or all equal are no trouble") {
  const BalancedClustering stopped = balanced_clustering(random_rows(200, 9, 1), 4, {ClusterMetric::l2, {}, 1, 0, 0});
  CHECK_FALSE(stopped.converged);
  CHECK(stopped.objectives.size() == 1);
  for (const auto metric : {ClusterMetric::l2, ClusterMetric::cosine}) {
    at::Tensor rows = random_rows(12, 4, 2);
    std::fill(rows.data_ptr<float>(), rows.data_ptr<float>() + 24, 0.0F);
    check_partition({balanced_clustering(rows, 3, {metric, {}, 50, 0, 0}).clusters, {}}, 12, true);
    std::fill(rows.data_ptr<float>(), rows.data_ptr<float>() + rows.numel(), 1.0F);
    check_partition(clustering_partition(rows, 3, {metric, {}, 50, 0, 0}), 12, true);
  }
}

TEST_CASE("rows that cannot be clustered are refused") {
  at::Tensor rows = random_rows(12, 4, 2);
  CHECK_THROWS_AS(balanced_clustering(rows, 5, {}), Error);
  rows.data_ptr<float>()[9] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(balanced_clustering(rows, 4, {}), Catch::Contains("row 2"));
}

TEST_CASE("the nearest cluster of a row is that of the centroid in its direction") {
  const at::Tensor rows = planted_rows(40, 4, 8);
  const BalancedClustering found = balanced_clustering(rows, 4, {});
  CHECK(nearest_clusters(rows, found.centroids, ClusterMetric::l2) == found.cluster_of);
  CHECK(nearest_clusters(rows, found.centroids, ClusterMetric::cosine) == found.cluster_of);
}

#include "moe/balanced_clustering.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "model/inference_ops.h"
#include "support/error.h"
#include "support/random.h"

namespace mathtrap {
namespace {

/// Sum of squares in double, in order.
double squared_length(const float* values, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return sum;
}

/// A copy whose rows have length 1.
at::Tensor normalised_rows(const at::Tensor& rows) {
  if (rows.dim() != 2 || rows.size(1) < 1) throw Error("rows to cluster must be a matrix with columns");
  at::Tensor result = rows.detach().to(at::kCPU, at::kFloat, /*non_blocking=*/false, /*copy=*/true).contiguous();
  const std::int64_t width = result.size(1);
  auto* values = result.data_ptr<float>();
  std::vector<char> finite(static_cast<std::size_t>(result.size(0)));
  at::parallel_for(0, result.size(0), 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      float* value = values + row * width;
      const double length = std::sqrt(squared_length(value, width));
      finite[static_cast<std::size_t>(row)] = std::isfinite(length) ? 1 : 0;
      if (length == 0) continue;
      for (std::int64_t i = 0; i < width; ++i) value[i] = static_cast<float>(static_cast<double>(value[i]) / length);
    }
  });
  const auto bad = std::find(finite.begin(), finite.end(), 0);
  if (bad != finite.end()) {
    throw Error(fmt::format("row {} of the rows to cluster holds a number that is not finite", bad - finite.begin()));
  }
  return result;
}

/// Sums of the rows of each cluster, in the order of the rows, divided by their number or brought to length 1.
at::Tensor centroids_of(const at::Tensor& rows, const std::vector<std::vector<std::int64_t>>& clusters,
                        ClusterMetric metric) {
  const std::int64_t width = rows.size(1);
  const auto count = static_cast<std::int64_t>(clusters.size());
  at::Tensor centroids = at::empty({count, width}, at::kFloat);
  const auto* values = rows.data_ptr<float>();
  auto* results = centroids.data_ptr<float>();
  at::parallel_for(0, count, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t cluster = first; cluster < last; ++cluster) {
      const std::vector<std::int64_t>& members = clusters[static_cast<std::size_t>(cluster)];
      std::vector<double> sum(static_cast<std::size_t>(width));
      for (const std::int64_t row : members) {
        for (std::int64_t i = 0; i < width; ++i)
          sum[static_cast<std::size_t>(i)] += static_cast<double>(values[row * width + i]);
      }
      double divisor = static_cast<double>(members.size());
      if (metric == ClusterMetric::cosine) {
        double square = 0;
        for (const double value : sum) square += value * value;
        divisor = square > 0 ? std::sqrt(square) : 1;
      }
      for (std::int64_t i = 0; i < width; ++i) {
        results[cluster * width + i] = static_cast<float>(sum[static_cast<std::size_t>(i)] / divisor);
      }
    }
  });
  return centroids;
}

/// [rows, centroids]. Rows have length 1 or 0.
at::Tensor centroid_costs(const at::Tensor& rows, const at::Tensor& centroids, ClusterMetric metric) {
  const at::NoGradGuard no_gradients;
  at::Tensor costs = inference::linear(rows, {centroids});
  const std::int64_t width = rows.size(1);
  const std::int64_t count = centroids.size(0);
  std::vector<float> centroid_squares(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    centroid_squares[static_cast<std::size_t>(i)] =
        static_cast<float>(squared_length(centroids.data_ptr<float>() + i * width, width));
  }
  auto* cost = costs.data_ptr<float>();
  for (std::int64_t row = 0; row < rows.size(0); ++row) {
    const float* values = rows.data_ptr<float>() + row * width;
    const bool zero = std::all_of(values, values + width, [](float value) { return value == 0; });
    for (std::int64_t i = 0; i < count; ++i) {
      float& product = cost[row * count + i];
      const float length_squared = metric == ClusterMetric::l2 && zero ? 0.0F : 1.0F;
      product = metric == ClusterMetric::cosine
                    ? length_squared - product
                    : length_squared - 2 * product + centroid_squares[static_cast<std::size_t>(i)];
    }
  }
  return costs;
}

/// Rows drawn with chances in proportion to the squared distance to the nearest of those drawn before.
at::Tensor first_centroids(const at::Tensor& rows, std::int64_t clusters, Random random) {
  const std::int64_t count = rows.size(0);
  const std::int64_t width = rows.size(1);
  at::Tensor centroids = at::zeros({clusters, width}, at::kFloat);
  std::vector<double> nearest(static_cast<std::size_t>(count), std::numeric_limits<double>::infinity());
  std::int64_t drawn = random.uniform_int(0, count - 1);
  for (std::int64_t cluster = 0; cluster < clusters; ++cluster) {
    const float* row = rows.data_ptr<float>() + drawn * width;
    std::copy(row, row + width, centroids.data_ptr<float>() + cluster * width);
    if (cluster + 1 == clusters) break;
    const at::Tensor distances = centroid_costs(rows, centroids.narrow(0, cluster, 1), ClusterMetric::l2);
    nearest[static_cast<std::size_t>(drawn)] = 0;
    double total = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      double& least = nearest[static_cast<std::size_t>(i)];
      // Rounding may leave an equal row at a little less than 0.
      least = std::min(least, std::max(0.0, static_cast<double>(distances.data_ptr<float>()[i])));
      total += least;
    }
    double left = random.uniform() * total;
    drawn = random.uniform_int(0, count - 1);  // stays where all rows are among those drawn
    for (std::int64_t i = 0; i < count && total > 0; ++i) {
      if (nearest[static_cast<std::size_t>(i)] == 0) continue;
      drawn = i;
      left -= nearest[static_cast<std::size_t>(i)];
      if (left < 0) break;
    }
  }
  return centroids;
}

}  // namespace

BalancedRounds balanced_rounds(const RoundCosts& costs, AssignmentMethod method, std::int64_t max_rounds) {
  if (max_rounds < 1) throw Error("clustering needs at least one round");
  BalancedRounds rounds;
  for (std::int64_t round = 0; round < max_rounds; ++round) {
    Assignment assignment = balanced_assignment(costs(rounds.group_of), method);
    const bool first = rounds.objectives.empty();
    // Where rounding or a tie makes the objective stay, assignments might follow each other in a circle.
    const bool lower = first || assignment.cost < rounds.objectives.back();
    rounds.converged = !first && (!lower || assignment.group_of == rounds.group_of);
    if (lower) {
      rounds.group_of = std::move(assignment.group_of);
      rounds.objectives.push_back(assignment.cost);
    }
    if (rounds.converged) break;
  }
  return rounds;
}

BalancedClustering balanced_clustering(const at::Tensor& rows, std::int64_t clusters,
                                       const ClusteringOptions& options) {
  const at::Tensor points = normalised_rows(rows);
  equal_share(points.size(0), clusters);
  const Random random(options.seed, fmt::format("k-means++ of layer {}", options.layer));
  const auto costs = [&](const std::vector<std::int64_t>& group_of) {
    return centroid_costs(points,
                          group_of.empty()
                              ? first_centroids(points, clusters, random)
                              : centroids_of(points, members_of_groups(group_of, clusters), options.metric),
                          options.metric);
  };
  BalancedRounds rounds = balanced_rounds(costs, options.method, options.max_rounds);
  BalancedClustering result;
  result.clusters = members_of_groups(rounds.group_of, clusters);
  result.cluster_of = std::move(rounds.group_of);
  result.centroids = centroids_of(points, result.clusters, options.metric);
  result.objectives = std::move(rounds.objectives);
  result.converged = rounds.converged;
  return result;
}

Partition clustering_partition(const at::Tensor& weight, std::int64_t experts, const ClusteringOptions& options) {
  return {balanced_clustering(weight, experts, options).clusters, {}};
}

std::vector<std::int64_t> nearest_clusters(const at::Tensor& rows, const at::Tensor& centroids, ClusterMetric metric) {
  const at::Tensor costs =
      centroid_costs(normalised_rows(rows), centroids.to(at::kCPU, at::kFloat).contiguous(), metric);
  const std::int64_t count = centroids.size(0);
  std::vector<std::int64_t> nearest;
  for (std::int64_t row = 0; row < costs.size(0); ++row) {
    const float* cost = costs.data_ptr<float>() + row * count;
    nearest.push_back(std::min_element(cost, cost + count) - cost);
  }
  return nearest;
}

}  // namespace mathtrap

// Balanced assignments against the best of all assignments, and the two methods against each other.
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "moe/balanced_assignment.h"
#include "support/error.h"
#include "support/random.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

enum class CostKind { uniform, whole_numbers, far_apart };

at::Tensor random_costs(std::int64_t points, std::int64_t groups, CostKind kind, std::uint64_t seed) {
  at::Tensor cost = at::empty({points, groups}, at::kDouble);
  Random random(seed);
  for (std::int64_t i = 0; i < cost.numel(); ++i) {
    double& value = cost.data_ptr<double>()[i];
    value = random.uniform();
    if (kind == CostKind::whole_numbers) value = static_cast<double>(random.uniform_int(0, 3));
    // Most points prefer the first group, and some costs are large and below 0.
    if (kind == CostKind::far_apart)
      value = random.normal() * (i % groups == 0 ? 1e3 : 1) - (i % groups == 0 ? 1e4 : 0);
  }
  return cost;
}

/// The least total cost over all assignments with `free[group]` places left, from `point` on.
double least_cost(const at::Tensor& cost, std::int64_t point, std::vector<std::int64_t>& free) {
  if (point == cost.size(0)) return 0;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t group = 0; group < free.size(); ++group) {
    if (free[group] == 0) continue;
    --free[group];
    const double here = cost.data_ptr<double>()[point * cost.size(1) + static_cast<std::int64_t>(group)];
    least = std::min(least, here + least_cost(cost, point + 1, free));
    ++free[group];
  }
  return least;
}

double checked_cost(const at::Tensor& cost, const Assignment& assignment) {
  REQUIRE(static_cast<std::int64_t>(assignment.group_of.size()) == cost.size(0));
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(cost.size(1)));
  double total = 0;
  for (std::int64_t point = 0; point < cost.size(0); ++point) {
    const std::int64_t group = assignment.group_of[static_cast<std::size_t>(point)];
    ++sizes.at(static_cast<std::size_t>(group));
    total += cost.data_ptr<double>()[point * cost.size(1) + group];
  }
  for (const std::int64_t size : sizes) CHECK(size == cost.size(0) / cost.size(1));
  CHECK(assignment.cost == Approx(total));
  return total;
}

}  // namespace

TEST_CASE("both methods find the least cost of all balanced assignments") {
  const auto kind = GENERATE(CostKind::uniform, CostKind::whole_numbers, CostKind::far_apart);
  const auto [points, groups] =
      GENERATE(table<std::int64_t, std::int64_t>({{8, 2}, {6, 3}, {8, 4}, {5, 5}, {9, 3}, {4, 1}}));
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const at::Tensor cost = random_costs(points, groups, kind, seed);
    std::vector<std::int64_t> free(static_cast<std::size_t>(groups), points / groups);
    const double least = least_cost(cost, 0, free);
    for (const auto method : {AssignmentMethod::shortest_paths, AssignmentMethod::network_simplex}) {
      CHECK(checked_cost(cost, balanced_assignment(cost, method)) == Approx(least).epsilon(1e-9).margin(1e-9));
    }
  }
}

TEST_CASE("the methods agree on the cost of larger cases") {
  const auto kind = GENERATE(CostKind::uniform, CostKind::whole_numbers, CostKind::far_apart);
  const auto [points, groups] = GENERATE(table<std::int64_t, std::int64_t>({{600, 8}, {512, 16}, {300, 100}}));
  const at::Tensor cost = random_costs(points, groups, kind, 3);
  const double simplex = checked_cost(cost, balanced_assignment(cost, AssignmentMethod::network_simplex));
  const double paths = checked_cost(cost, balanced_assignment(cost, AssignmentMethod::shortest_paths));
  CHECK(paths == Approx(simplex).epsilon(1e-9));
}

TEST_CASE("costs in f32 and non-contiguous costs are read as they are") {
  const at::Tensor cost = random_costs(4, 24, CostKind::uniform, 5);
  const at::Tensor turned = cost.t();
  const at::Tensor plain = turned.contiguous();
  CHECK(balanced_assignment(turned).group_of == balanced_assignment(plain).group_of);
  CHECK(balanced_assignment(plain.to(at::kFloat)).cost == Approx(balanced_assignment(plain).cost).epsilon(1e-6));
}

TEST_CASE("costs that are not numbers, and groups that do not divide the points, are refused") {
  at::Tensor cost = at::zeros({6, 2}, at::kFloat);
  cost.data_ptr<float>()[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(balanced_assignment(cost), Catch::Contains("point 3 in group 1"));
  CHECK_THROWS_WITH(balanced_assignment(at::zeros({7, 2})), Catch::Contains("7") && Catch::Contains("2"));
  CHECK_THROWS_AS(balanced_assignment(at::zeros({0, 2})), Error);
  CHECK_THROWS_AS(balanced_assignment(at::zeros({4, 0})), Error);
  CHECK_THROWS_AS(balanced_assignment(at::zeros({4})), Error);
}

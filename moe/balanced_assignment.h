// Points shared out among groups of one size, at the least total cost: the transportation problem.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace mathtrap {

/// Both find an assignment of least cost; among several of the same cost they may choose differently.
enum class AssignmentMethod {
  /// Each point in its cheapest group, then along shortest paths from groups that are too full to others that are not
  /// (successive shortest paths: Ahuja, Magnanti, Orlin 1993, section 9.7). Costs are compared in double.
  shortest_paths,
  /// LEMON's network simplex on costs rounded to multiples of a unit; the total is at most `points` units above the
  /// least. For up to a million points the unit is below 2^-37 of the largest difference between two costs of a point.
  network_simplex,
};

struct Assignment {
  std::vector<std::int64_t> group_of;  ///< of each point
  double cost = 0;                     ///< the sum of the points' costs
};

/// `cost` [points, groups], f32 or f64 on the CPU. Throws Error when `groups` does not divide `points`, or a cost is
/// not finite. The same costs give the same assignment.
Assignment balanced_assignment(const at::Tensor& cost, AssignmentMethod method = AssignmentMethod::shortest_paths);

}  // namespace mathtrap

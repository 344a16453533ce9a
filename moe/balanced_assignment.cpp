#include "moe/balanced_assignment.h"

#include <fmt/format.h>
#include <lemon/network_simplex.h>
#include <lemon/smart_graph.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <queue>
#include <stdexcept>
#include <utility>

#include "moe/partition.h"
#include "support/error.h"

namespace mathtrap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Costs of points in groups, row by row.
struct CostTable {
  std::vector<double> values;
  std::int64_t points = 0;
  std::int64_t groups = 0;

  double at(std::int64_t point, std::int64_t group) const {
    return values[static_cast<std::size_t>(point * groups + group)];
  }
};

CostTable read_costs(const at::Tensor& cost) {
  if (cost.dim() != 2) throw Error(fmt::format("costs have {} dimensions, not 2", cost.dim()));
  equal_share(cost.size(0), cost.size(1));
  const at::Tensor wide = cost.to(at::kCPU, at::kDouble).contiguous();
  const auto* values = wide.data_ptr<double>();
  CostTable table{std::vector<double>(values, values + wide.numel()), cost.size(0), cost.size(1)};
  const auto bad =
      std::find_if(table.values.begin(), table.values.end(), [](double value) { return !std::isfinite(value); });
  if (bad != table.values.end()) {
    const std::int64_t index = bad - table.values.begin();
    throw Error(fmt::format("the cost of point {} in group {} is not a finite number", index / table.groups,
                            index % table.groups));
  }
  return table;
}

/// Residual network of the groups alone: an arc from group a to b costs what the cheapest move of a point of a costs.
class GroupNetwork {
 public:
  explicit GroupNetwork(const CostTable& costs)
      : costs_(costs),
        group_of_(static_cast<std::size_t>(costs.points)),
        size_(static_cast<std::size_t>(costs.groups)),
        moves_(static_cast<std::size_t>(costs.groups * costs.groups)) {
    std::vector<std::vector<Move>> moves(moves_.size());
    for (std::int64_t point = 0; point < costs.points; ++point) {
      const double* row = &costs.values[static_cast<std::size_t>(point * costs.groups)];
      const std::int64_t cheapest = std::min_element(row, row + costs.groups) - row;
      group_of_[static_cast<std::size_t>(point)] = cheapest;
      ++size_[static_cast<std::size_t>(cheapest)];
      for (std::int64_t to = 0; to < costs.groups; ++to) {
        if (to != cheapest) moves[arc(cheapest, to)].emplace_back(row[to] - row[cheapest], point);
      }
    }
    for (std::size_t i = 0; i < moves.size(); ++i) moves_[i] = MoveQueue(std::greater<>(), std::move(moves[i]));
  }

  /// Brings all groups to `share` points.
  void balance(std::int64_t share) {
    while (true) {
      const std::vector<std::int64_t> path = shortest_path(share);
      if (path.empty()) return;
      // Which points move is settled first: a point that arrives in a group on the way must not be the one to leave it.
      std::vector<std::int64_t> points;
      for (std::size_t i = 0; i + 1 < path.size(); ++i)
        points.push_back(moves_[arc(path[i], path[i + 1])].top().second);
      for (std::size_t i = 0; i < points.size(); ++i) move(points[i], path[i + 1]);
    }
  }

  const std::vector<std::int64_t>& group_of() const { return group_of_; }

 private:
  using Move = std::pair<double, std::int64_t>;  ///< extra cost, point
  using MoveQueue = std::priority_queue<Move, std::vector<Move>, std::greater<>>;

  std::size_t arc(std::int64_t from, std::int64_t to) const {
    return static_cast<std::size_t>(from * costs_.groups + to);
  }
  std::int64_t size(std::int64_t group) const { return size_[static_cast<std::size_t>(group)]; }

  /// Of the cheapest move from one group to another. Points that have left the group are dropped here, late.
  double arc_cost(std::int64_t from, std::int64_t to) {
    MoveQueue& queue = moves_[arc(from, to)];
    while (!queue.empty() && group_of_[static_cast<std::size_t>(queue.top().second)] != from) queue.pop();
    return queue.empty() ? kInfinity : queue.top().first;
  }

  void move(std::int64_t point, std::int64_t to) {
    std::int64_t& group = group_of_[static_cast<std::size_t>(point)];
    --size_[static_cast<std::size_t>(group)];
    ++size_[static_cast<std::size_t>(to)];
    group = to;
    for (std::int64_t next = 0; next < costs_.groups; ++next) {
      if (next != to) moves_[arc(to, next)].emplace(costs_.at(point, next) - costs_.at(point, to), point);
    }
  }

  /// Groups from one with more than `share` points to one with fewer; empty when there is none (Bellman-Ford: moves may
  /// be gains, but no cycle of them is).
  std::vector<std::int64_t> shortest_path(std::int64_t share) {
    const std::int64_t groups = costs_.groups;
    std::vector<double> arcs(moves_.size(), kInfinity);
    std::vector<double> distance(size_.size(), kInfinity);
    std::vector<std::int64_t> before(size_.size(), -1);
    for (std::int64_t from = 0; from < groups; ++from) {
      if (size(from) > share) distance[static_cast<std::size_t>(from)] = 0;
      for (std::int64_t to = 0; to < groups; ++to) {
        if (from != to) arcs[arc(from, to)] = arc_cost(from, to);
      }
    }
    bool changed = true;
    for (std::int64_t round = 1; changed && round < groups; ++round) {
      changed = false;
      for (std::int64_t from = 0; from < groups; ++from) {
        for (std::int64_t to = 0; to < groups; ++to) {
          const double reached = distance[static_cast<std::size_t>(from)] + arcs[arc(from, to)];
          // Rounding must not make a cycle of moves that cost nothing look like a gain.
          if (!(reached < distance[static_cast<std::size_t>(to)]) || on_path(before, from, to)) continue;
          distance[static_cast<std::size_t>(to)] = reached;
          before[static_cast<std::size_t>(to)] = from;
          changed = true;
        }
      }
    }
    std::int64_t end = -1;
    for (std::int64_t group = 0; group < groups; ++group) {
      if (size(group) >= share) continue;
      if (end < 0 || distance[static_cast<std::size_t>(group)] < distance[static_cast<std::size_t>(end)]) end = group;
    }
    std::vector<std::int64_t> path;
    for (std::int64_t group = end; group >= 0; group = before[static_cast<std::size_t>(group)]) path.push_back(group);
    std::reverse(path.begin(), path.end());
    return path;
  }

  static bool on_path(const std::vector<std::int64_t>& before, std::int64_t group, std::int64_t wanted) {
    while (group >= 0 && group != wanted) group = before[static_cast<std::size_t>(group)];
    return group == wanted;
  }

  const CostTable& costs_;
  std::vector<std::int64_t> group_of_;
  std::vector<std::int64_t> size_;
  std::vector<MoveQueue> moves_;  ///< [from, to]
};

/// The costs above each point's cheapest as integers. What is the same for all groups does not change who is cheapest.
/// The largest is below 2^60 / (4 * nodes), so that no potential of the simplex, a sum over a path with one artificial
/// arc of (largest + 1) * nodes, overflows.
std::vector<std::int64_t> integer_costs(const CostTable& costs, std::int64_t nodes) {
  std::vector<double> above(costs.values.size());
  double largest = 0;
  for (std::int64_t point = 0; point < costs.points; ++point) {
    const auto row = static_cast<std::size_t>(point * costs.groups);
    const double least = *std::min_element(&costs.values[row], &costs.values[row] + costs.groups);
    for (std::size_t i = row; i < row + static_cast<std::size_t>(costs.groups); ++i) {
      above[i] = costs.values[i] - least;
      largest = std::max(largest, above[i]);
    }
  }
  const double scale = largest > 0 ? std::floor(0x1p60 / (4.0 * static_cast<double>(nodes))) / largest : 0;
  std::vector<std::int64_t> integers(above.size());
  std::transform(above.begin(), above.end(), integers.begin(),
                 [&](double value) { return static_cast<std::int64_t>(std::llround(value * scale)); });
  return integers;
}

std::vector<std::int64_t> network_simplex(const CostTable& costs, std::int64_t share) {
  using Graph = lemon::SmartDigraph;
  const std::int64_t nodes = costs.points + costs.groups;
  const std::vector<std::int64_t> integers = integer_costs(costs, nodes);
  Graph graph;
  graph.reserveNode(static_cast<int>(nodes));
  graph.reserveArc(static_cast<int>(integers.size()));
  for (std::int64_t i = 0; i < nodes; ++i) graph.addNode();
  Graph::NodeMap<std::int64_t> supply(graph);
  Graph::ArcMap<std::int64_t> cost(graph);
  for (std::int64_t node = 0; node < nodes; ++node) {
    supply[Graph::nodeFromId(static_cast<int>(node))] = node < costs.points ? 1 : -share;
  }
  for (std::size_t i = 0; i < integers.size(); ++i) {
    const auto point = static_cast<std::int64_t>(i) / costs.groups;
    const auto group = static_cast<std::int64_t>(i) % costs.groups;
    const Graph::Arc arc = graph.addArc(Graph::nodeFromId(static_cast<int>(point)),
                                        Graph::nodeFromId(static_cast<int>(costs.points + group)));
    cost[arc] = integers[i];
  }
  lemon::NetworkSimplex<Graph, std::int64_t> simplex(graph);
  simplex.costMap(cost).supplyMap(supply);
  if (simplex.run() != lemon::NetworkSimplex<Graph, std::int64_t>::OPTIMAL) {
    throw std::logic_error("the network simplex found no assignment");
  }
  std::vector<std::int64_t> group_of(static_cast<std::size_t>(costs.points), -1);
  for (std::size_t i = 0; i < integers.size(); ++i) {
    if (simplex.flow(Graph::arcFromId(static_cast<int>(i))) == 0) continue;
    group_of[i / static_cast<std::size_t>(costs.groups)] = static_cast<std::int64_t>(i) % costs.groups;
  }
  return group_of;
}

}  // namespace

Assignment balanced_assignment(const at::Tensor& cost, AssignmentMethod method) {
  const CostTable costs = read_costs(cost);
  const std::int64_t share = costs.points / costs.groups;
  Assignment assignment;
  if (method == AssignmentMethod::network_simplex) {
    assignment.group_of = network_simplex(costs, share);
  } else {
    GroupNetwork network(costs);
    network.balance(share);
    assignment.group_of = network.group_of();
  }
  for (std::int64_t point = 0; point < costs.points; ++point) {
    assignment.cost += costs.at(point, assignment.group_of[static_cast<std::size_t>(point)]);
  }
  return assignment;
}

}  // namespace mathtrap

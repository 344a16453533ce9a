// Seconds that each construction of experts takes for one layer of LLaMA-2-7B's shape, on random data: with structure
// in it, rounds may be fewer.
//   bench_moe [THREADS] [ALGORITHM]      the algorithms whose name contains ALGORITHM; default: all
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "moe/balanced_assignment.h"
#include "moe/balanced_clustering.h"
#include "moe/coactivation.h"
#include "moe/importance.h"
#include "moe/training_free.h"
#include "support/random.h"

namespace mathtrap {
namespace {

constexpr std::int64_t kHidden = 4096;
constexpr std::int64_t kIntermediate = 11008;

at::Tensor random_matrix(std::int64_t rows, std::int64_t columns) {
  at::Tensor matrix = at::empty({rows, columns}, at::kFloat);
  Random random(1);
  // Sums of two uniform numbers: quicker than normal ones, and as good here.
  for (std::int64_t i = 0; i < matrix.numel(); ++i) {
    matrix.data_ptr<float>()[i] = static_cast<float>(random.uniform() + random.uniform() - 1);
  }
  return matrix;
}

class Bench {
 public:
  explicit Bench(std::string wanted) : wanted_(std::move(wanted)) {}

  bool wants(const std::string& name) const { return name.find(wanted_) != std::string::npos; }

  /// Runs `work`, which says in a few words what it did.
  static void measure(const std::string& name, std::int64_t experts, const std::function<std::string()>& work) {
    const auto start = std::chrono::steady_clock::now();
    const std::string did = work();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    fmt::print("{:<36} {:>3} experts {:>9.3f} s  {}\n", name, experts, seconds, did);
    std::fflush(stdout);
  }

 private:
  std::string wanted_;
};

std::string rounds_done(const std::vector<double>& objectives, bool converged) {
  return fmt::format("{} rounds, objective {:.6g}{}", objectives.size(), objectives.back(),
                     converged ? "" : ", limited");
}

void measure_assignment(const Bench& bench, std::int64_t experts) {
  const at::Tensor even = random_matrix(kIntermediate, experts);
  // Most points prefer the first group, so that most of them have to leave it.
  at::Tensor skewed = even.clone();
  skewed.select(1, 0).sub_(1);
  for (const auto& [name, method] : {std::pair("shortest paths", AssignmentMethod::shortest_paths),
                                     std::pair("network simplex", AssignmentMethod::network_simplex)}) {
    for (const auto& [kind, cost] : {std::pair("even", even), std::pair("skewed", skewed)}) {
      const std::string title = fmt::format("assignment, {}, {}", name, kind);
      if (!bench.wants(title)) continue;
      Bench::measure(title, experts, [&cost = cost, method = method] {
        return fmt::format("cost {:.9g}", balanced_assignment(cost, method).cost);
      });
    }
  }
}

void measure_clustering(const Bench& bench, const at::Tensor& weight, std::int64_t experts) {
  for (const auto& [name, metric] :
       {std::pair("clustering, l2", ClusterMetric::l2), std::pair("clustering, cosine", ClusterMetric::cosine)}) {
    if (!bench.wants(name)) continue;
    Bench::measure(name, experts, [&weight, experts, metric = metric] {
      ClusteringOptions options;
      options.metric = metric;
      options.max_rounds = 10;
      const BalancedClustering found = balanced_clustering(weight, experts, options);
      return rounds_done(found.objectives, found.converged);
    });
  }
}

void measure_coactivation(const Bench& bench) {
  if (!bench.wants("co-activation")) return;
  const at::Tensor hidden = random_matrix(256, kIntermediate);
  const at::Tensor adjacency = at::zeros({kIntermediate, kIntermediate}, at::kFloat);
  Bench::measure("co-activation, sums", 0, [&] {
    accumulate_coactivation(adjacency, hidden, 1e9F);
    return std::string("256 tokens");
  });
  SparseGraph graph;
  Bench::measure("co-activation, neighbours", 0, [&] {
    graph = strongest_neighbours(adjacency, 32);
    return fmt::format("{} edge ends", graph.neighbours.size());
  });
  for (const std::int64_t experts : {8, 16}) {
    Bench::measure("co-activation, partition", experts, [&] {
      return fmt::format("{} neurons an expert", graph_partition(graph, experts, 1).experts.front().size());
    });
  }
}

void measure_importance(const Bench& bench, std::int64_t experts) {
  if (!bench.wants("importance")) return;
  const at::Tensor scores = random_matrix(experts, kIntermediate);
  const std::int64_t size = kIntermediate / experts;
  Bench::measure("importance, greedy", experts, [&] {
    greedy_partition(scores);
    return std::string();
  });
  Bench::measure("importance, sharing inner", experts, [&] {
    sharing_inner_partition(scores, size);
    return std::string();
  });
  Bench::measure("importance, sharing inter", experts, [&] {
    sharing_inter_partition(scores, 1, size, RemainingNeurons::inner);
    return std::string("1 residual expert");
  });
}

void measure_training_free(const Bench& bench, std::int64_t experts) {
  if (!bench.wants("CMoE")) return;
  const at::Tensor hidden = random_matrix(2048, kIntermediate);
  at::Tensor marks;
  Bench::measure("CMoE, marks", experts, [&] {
    marks = activation_marks(hidden, 10);
    return std::string("2,048 tokens");
  });
  Bench::measure("CMoE, split", experts, [&] {
    CmoeOptions options;
    options.experts = experts - 1;
    options.shared_experts = 1;
    const CmoeSplit split = cmoe_split(marks, kIntermediate, options);
    return rounds_done(split.objectives, split.converged);
  });
}

int run(int count, char** arguments) {
  at::set_num_threads(count > 1 ? std::atoi(arguments[1]) : 1);
  const Bench bench(count > 2 ? arguments[2] : "");
  if (bench.wants("random")) {
    Bench::measure("random", 16, [] {
      random_partition(kIntermediate, 16, 1, 0);
      return std::string();
    });
  }
  for (const std::int64_t experts : {8, 16}) {
    measure_assignment(bench, experts);
    measure_importance(bench, experts);
    measure_training_free(bench, experts);
  }
  if (bench.wants("clustering, l2") || bench.wants("clustering, cosine")) {
    const at::Tensor weight = random_matrix(kIntermediate, kHidden);
    for (const std::int64_t experts : {8, 16}) measure_clustering(bench, weight, experts);
  }
  measure_coactivation(bench);
  return 0;
}

}  // namespace
}  // namespace mathtrap

int main(int argc, char** argv) {
  return mathtrap::run(argc, argv);
}

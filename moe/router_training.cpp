#include "moe/router_training.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cholesky_solve.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <tuple>
#include <utility>

#include "finetune/optimizer.h"
#include "model/ops.h"
#include "support/error.h"
#include "support/random.h"

namespace mathtrap {
namespace {

constexpr double kRouterRidge = 0.01;
constexpr double kTiny = std::numeric_limits<double>::min();  // so that nothing is divided by zero

at::Tensor logits_of(const at::Tensor& inputs, const GateWeights& gate) {
  if (gate.linear.defined()) return inputs.matmul(gate.linear.t());
  return inputs.matmul(gate.mlp_input.t()).tanh().matmul(gate.mlp_output.t());
}

/// 1 for the k most active experts of each token, 0 for the others: [tokens, E].
at::Tensor most_active(const at::Tensor& activations, std::int64_t select) {
  return at::zeros_like(activations).scatter(1, std::get<1>(at::topk(activations, select, 1)), 1.0);
}

/// |h| of each neuron: [tokens, neurons] f32.
at::Tensor hidden_sizes(const at::Tensor& inputs, const LayerWeights& dense) {
  return swiglu(linear(inputs, {dense.gate, dense.up}, Arithmetic::as_stored)).to(at::kFloat).abs();
}

/// [tokens, neurons] summed over each expert's: [tokens, experts].
at::Tensor sums_of_experts(const at::Tensor& values, const std::vector<std::vector<std::int64_t>>& experts) {
  std::vector<at::Tensor> columns;
  for (const std::vector<std::int64_t>& neurons : experts) {
    columns.push_back(values.index_select(1, at::tensor(neurons)).sum(1));
  }
  return at::stack(columns, 1);
}

at::Tensor router_loss(const at::Tensor& logits, const at::Tensor& targets, RouterLoss loss) {
  if (loss == RouterLoss::top_k) return at::binary_cross_entropy_with_logits(logits, targets);
  // The targets' own entropy is a constant.
  return -(targets * at::log_softmax(logits, 1)).sum(1).mean();
}

std::vector<std::pair<std::string, at::Tensor>> learned_weights(GateWeights& gate) {
  std::vector<std::pair<std::string, at::Tensor>> weights;
  for (at::Tensor* weight : {&gate.linear, &gate.mlp_input, &gate.mlp_output}) {
    if (!weight->defined()) continue;
    *weight = weight->detach().clone().requires_grad_(true);
    weights.emplace_back("gate", *weight);
  }
  return weights;
}

}  // namespace

at::Tensor expert_activations(const at::Tensor& inputs, const LayerWeights& dense,
                              const std::vector<std::vector<std::int64_t>>& experts) {
  const at::NoGradGuard no_gradients;
  return sums_of_experts(hidden_sizes(inputs, dense), experts);
}

at::Tensor expert_shares(const at::Tensor& inputs, const LayerWeights& dense, const at::Tensor& importance,
                         const std::vector<std::vector<std::int64_t>>& experts) {
  const at::NoGradGuard no_gradients;
  const at::Tensor hidden = hidden_sizes(inputs, dense).to(at::kDouble);
  const at::Tensor weights = importance.defined() ? importance.sum(0) / hidden.sum(0).clamp_min(kTiny)
                                                  : dense.down.to(at::kDouble).square().sum(0).sqrt();
  const at::Tensor sums = sums_of_experts(hidden * weights, experts);
  return sums / sums.sum(1, /*keepdim=*/true).clamp_min(kTiny);
}

at::Tensor fit_router(const at::Tensor& inputs, const at::Tensor& shares) {
  const at::NoGradGuard no_gradients;
  const at::Tensor x = inputs.to(at::kDouble);
  at::Tensor gram = x.t().matmul(x);
  gram.diagonal().add_(kRouterRidge * gram.diagonal().mean().item<double>());
  const auto [factor, failed] = at::linalg_cholesky_ex(gram);
  if (failed.item<std::int64_t>() != 0) {
    throw Error("--router fitted: a layer's inputs on the text are all zero, or not numbers; is the model whole?");
  }
  return at::cholesky_solve(x.t().matmul(shares.to(at::kDouble)), factor).t().to(at::kFloat).contiguous();
}

double router_recall(const at::Tensor& inputs, const at::Tensor& activations, std::int64_t select,
                     const GateWeights& gate) {
  const at::NoGradGuard no_gradients;
  const at::Tensor found = most_active(logits_of(inputs, gate), select) * most_active(activations, select);
  return found.sum().item<double>() / static_cast<double>(inputs.size(0) * select);
}

double train_router(const at::Tensor& inputs, const at::Tensor& activations, const RouterTraining& training,
                    GateWeights& gate) {
  const at::AutoGradMode with_gradients(true);
  const at::Tensor targets = training.loss == RouterLoss::top_k ? most_active(activations, training.select)
                                                                : activations / activations.sum(1, true);
  OptimizerOptions options;
  options.weight_decay = 0;
  options.beta2 = 0.999;
  options.clip_norm = 0;
  AdamW optimizer(learned_weights(gate), options);
  std::vector<std::int64_t> order(static_cast<std::size_t>(inputs.size(0)));
  std::iota(order.begin(), order.end(), 0);
  Random random(training.seed, "router training");
  for (std::int64_t epoch = 0; epoch < training.epochs; ++epoch) {
    random.shuffle(std::span(order));
    for (std::size_t first = 0; first < order.size(); first += static_cast<std::size_t>(training.batch)) {
      const std::size_t last = std::min(order.size(), first + static_cast<std::size_t>(training.batch));
      const at::Tensor rows = at::tensor(std::vector<std::int64_t>(order.begin() + static_cast<std::ptrdiff_t>(first),
                                                                   order.begin() + static_cast<std::ptrdiff_t>(last)));
      const at::Tensor logits = logits_of(inputs.index_select(0, rows), gate);
      router_loss(logits, targets.index_select(0, rows), training.loss).backward();
      // Down a line to nothing, so that the last steps settle.
      optimizer.step(training.learning_rate * (1 - static_cast<double>(epoch) / static_cast<double>(training.epochs)));
    }
  }
  for (at::Tensor* weight : {&gate.linear, &gate.mlp_input, &gate.mlp_output}) {
    if (weight->defined()) *weight = weight->detach();
  }
  return router_recall(inputs, activations, training.select, gate);
}

}  // namespace mathtrap

#include "finetune/gradient_reducer.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <cstddef>
#include <functional>
#include <mutex>
#include <utility>

namespace mathtrap {
namespace {

using torch::autograd::variable_list;
using torch::autograd::utils::LambdaPostHook;

constexpr std::int64_t kBucketElements = 1 << 20;  // 4 MiB: large against what a message costs, small against a layer

}  // namespace

struct GradientReducer::Bucket {
  std::vector<at::Tensor> weights;
  std::int64_t elements = 0;
  std::size_t missing = 0;     ///< gradients that the last backward pass has still to compute
  at::Tensor gradients;        ///< [elements] f32, one after another
  std::function<void()> wait;  ///< for the sum
};

struct GradientReducer::State {
  explicit State(ProcessGroup& the_group) : group(the_group) {}

  /// Returns the weight's number.
  std::size_t add(const at::Tensor& weight) {
    if (buckets.empty() || buckets.back().elements + weight.numel() > kBucketElements) buckets.emplace_back();
    buckets.back().weights.push_back(weight);
    buckets.back().elements += weight.numel();
    bucket_of.push_back(buckets.size() - 1);
    is_ready.push_back(false);
    return bucket_of.size() - 1;
  }

  /// The gradient of a weight is complete.
  void ready(std::size_t weight) {
    const std::scoped_lock lock(mutex);
    // Where layers are computed again, one weight of each is told of twice (model/recompute.cpp).
    if (!is_last || is_ready[weight]) return;
    is_ready[weight] = true;
    --buckets[bucket_of[weight]].missing;
    while (started < buckets.size() && buckets[started].missing == 0) start(buckets[started++]);
  }

  void start(Bucket& bucket) {
    if (!bucket.gradients.defined()) bucket.gradients = at::empty({bucket.elements}, at::kFloat);
    std::int64_t offset = 0;
    for (const at::Tensor& weight : bucket.weights) {
      const at::Tensor place = bucket.gradients.narrow(0, offset, weight.numel());
      if (weight.grad().defined()) {
        place.copy_(weight.grad().reshape(-1));
      } else {
        place.zero_();
      }
      offset += weight.numel();
    }
    bucket.wait = group.start_sum(bucket.gradients);
  }

  static void take_sum(Bucket& bucket) {
    bucket.wait();
    std::int64_t offset = 0;
    for (const at::Tensor& weight : bucket.weights) {
      const at::Tensor sum = bucket.gradients.narrow(0, offset, weight.numel()).view(weight.sizes());
      if (weight.grad().defined()) {
        weight.grad().copy_(sum);
      } else {
        weight.mutable_grad() = sum.clone();
      }
      offset += weight.numel();
    }
  }

  ProcessGroup& group;
  std::mutex mutex;
  std::vector<Bucket> buckets;
  std::vector<std::size_t> bucket_of;  ///< by the weights' numbers
  std::vector<bool> is_ready;
  std::size_t started = 0;                                           ///< buckets whose sum was started in this step
  bool is_last = false;                                              ///< the step's last backward pass runs
  std::vector<std::shared_ptr<torch::autograd::Node>> accumulators;  ///< weights do not keep them alive
};

GradientReducer::GradientReducer(const std::vector<at::Tensor>& weights, ProcessGroup& group) {
  if (group.size() == 1) return;
  state_ = std::make_shared<State>(group);
  for (auto weight = weights.rbegin(); weight != weights.rend(); ++weight) {
    const std::size_t number = state_->add(*weight);
    std::shared_ptr<torch::autograd::Node> accumulator = torch::autograd::impl::grad_accumulator(*weight);
    // Weakly, since the state holds the accumulator, and that holds the hook.
    accumulator->add_post_hook(std::make_unique<LambdaPostHook>(
        [weak = std::weak_ptr<State>(state_), number](const variable_list& outputs, const variable_list& /*inputs*/) {
          if (const std::shared_ptr<State> state = weak.lock()) state->ready(number);
          return outputs;
        }));
    state_->accumulators.push_back(std::move(accumulator));
  }
}

GradientReducer::~GradientReducer() = default;

void GradientReducer::expect_last_backward() {
  if (!state_) return;
  state_->is_last = true;
  state_->is_ready.assign(state_->is_ready.size(), false);
  for (Bucket& bucket : state_->buckets) bucket.missing = bucket.weights.size();
}

void GradientReducer::finish() {
  if (!state_) return;
  // What no backward pass of this process has completed: a process may have no batch of its own in a step.
  while (state_->started < state_->buckets.size()) state_->start(state_->buckets[state_->started++]);
  for (Bucket& bucket : state_->buckets) State::take_sum(bucket);
  state_->started = 0;
  state_->is_last = false;
}

}  // namespace mathtrap

// The gradients of several processes become their sum while the backward pass still computes others.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "finetune/process_group.h"

namespace mathtrap {

/// Gradients are collected in buckets of a few megabytes, from the last weight to the first, which is about the order
/// in which a backward pass finishes them (Li et al. 2020, PyTorch Distributed). A full bucket's sum runs in the
/// background. Buckets leave in one order in all processes.
class GradientReducer {
 public:
  /// `weights`: leaves that require gradients, in the network's order; f32. They and the group must outlive it. With
  /// one process it does nothing.
  GradientReducer(const std::vector<at::Tensor>& weights, ProcessGroup& group);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// The backward pass that comes next is this process's last one of the step.
  void expect_last_backward();
  /// All gradients are now sums over the processes; a weight that has none here counts as 0.
  void finish();

 private:
  struct Bucket;
  struct State;
  std::shared_ptr<State> state_;  ///< none with one process
};

}  // namespace mathtrap

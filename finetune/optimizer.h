// AdamW with decoupled weight decay and gradient clipping.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "finetune/schedule.h"

namespace mathtrap {

/// AdamW (Loshchilov, Hutter 2019, algorithm 2) on f32 weights.
class AdamW {
 public:
  /// `weights` with their names; they are updated in place.
  AdamW(const std::vector<std::pair<std::string, at::Tensor>>& weights, const OptimizerOptions& options);

  /// One update by the weights' gradients, which are then cleared. Returns the gradient's norm before clipping; when it
  /// is not finite, nothing is changed.
  double step(double rate);

  std::int64_t steps() const { return steps_; }
  /// First and second moments beside each weight's name, "first_moment.<name>" and "second_moment.<name>".
  std::vector<std::pair<std::string, at::Tensor>> moments() const;
  void restore(std::int64_t steps) { steps_ = steps; }

 private:
  struct Slot {
    std::string name;
    at::Tensor weight;
    at::Tensor first_moment;
    at::Tensor second_moment;
    double decay = 0;
  };

  std::vector<Slot> slots_;
  OptimizerOptions options_;
  std::int64_t steps_ = 0;
};

}  // namespace mathtrap

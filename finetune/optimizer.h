// AdamW with decoupled weight decay and gradient clipping, its state shared out among the processes of a training.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "finetune/process_group.h"
#include "finetune/schedule.h"

namespace mathtrap {

/// AdamW (Loshchilov, Hutter 2019, algorithm 2) on f32 weights. Each process keeps the moments of its share of the
/// weights only, an equal part of all elements in order; it updates them and hands them on (ZeRO, stage 1: Rajbhandari
/// et al. 2020).
class AdamW {
 public:
  /// `weights` with their names; they are updated in place. The group must outlive it; nullptr: one process.
  AdamW(const std::vector<std::pair<std::string, at::Tensor>>& weights, const OptimizerOptions& options,
        ProcessGroup* group = nullptr);

  /// One update by the weights' gradients, the same in all processes, which are then cleared. Returns the gradient's
  /// norm before clipping; when it is not finite, nothing is changed.
  double step(double rate);

  std::int64_t steps() const { return steps_; }
  /// First and second moments beside each weight's name, "first_moment.<name>" and "second_moment.<name>", in the
  /// shapes of the weights: on process 0 those of all processes together, on others none. All processes call it. With
  /// one process they share memory with the optimiser.
  std::vector<std::pair<std::string, at::Tensor>> moments() const;
  /// Goes on behind step `steps` with the moments that process 0 gives, named as above; all processes call it.
  void restore(std::int64_t steps, const std::vector<std::pair<std::string, at::Tensor>>& moments);
  /// Of the moments that this process keeps.
  std::int64_t moment_bytes() const;

 private:
  /// What one process keeps of one weight.
  struct Slot {
    std::size_t weight = 0;  ///< its place in `weights_`
    int owner = 0;           ///< the process that keeps the moments
    std::int64_t first = 0;  ///< of the weight's elements
    std::int64_t count = 0;
    at::Tensor first_moment;  ///< [count]; not defined in other processes, as the second
    at::Tensor second_moment;
    double decay = 0;
  };

  int rank() const { return group_ == nullptr ? 0 : group_->rank(); }
  int processes() const { return group_ == nullptr ? 1 : group_->size(); }
  void share_out(std::size_t weight, std::int64_t offset, std::int64_t total, double decay);
  double gradient_norm() const;
  void update(Slot& slot, double rate, double scale) const;
  /// The weights that each process updated, to all others.
  void exchange_weights() const;
  /// The slot's part of a whole tensor, flat; it shares memory.
  static at::Tensor part(const at::Tensor& whole, const Slot& slot);

  std::vector<std::pair<std::string, at::Tensor>> weights_;
  std::vector<Slot> slots_;  ///< of all processes, in the order of owners
  OptimizerOptions options_;
  ProcessGroup* group_;
  std::int64_t steps_ = 0;
};

}  // namespace mathtrap

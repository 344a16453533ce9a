// The training loop: batches in, steps of the optimiser, with log, validation and checkpoints on the way.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "finetune/batches.h"
#include "finetune/optimizer.h"
#include "finetune/pretrain.h"
#include "finetune/training_log.h"
#include "model/network.h"

namespace mathtrap {

/// What a training works on. All must outlive it.
struct TrainerInput {
  const PretrainOptions& options;
  const std::array<DocumentSet, kDocumentKinds>& documents;
  const std::array<DocumentSet, kDocumentKinds>& held_out;
  std::uint64_t fingerprint = 0;                  ///< of arguments and data: whose checkpoints are its own
  std::chrono::steady_clock::time_point started;  ///< from when time is counted
};

class Trainer {
 public:
  /// Trains `network` in place. Goes on from the last checkpoint in the output folder where there is one.
  Trainer(const TrainerInput& input, Network network);

  /// Trains until a limit is reached, or until the options' `stop` says so; then there is a checkpoint.
  PretrainResult run();

  const Network& network() const { return network_; }

 private:
  using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

  static NamedTensors require_gradients(const Network& network);
  NamedTensors state_tensors() const;
  double seconds() const;
  double progress() const { return training_progress(options_.limits, spent_); }
  /// One step; returns its line of the log.
  Json step();
  /// Adds the gradients of one step. Returns the mean loss of its tokens.
  double add_gradients();
  [[noreturn]] void fail_at_loss(double loss, double norm) const;
  void validate_into(Json& line);
  double mean_loss() const;
  void remember_loss(double loss);
  void save();
  std::string describe() const;

  TrainerInput input_;
  const PretrainOptions& options_;
  Network network_;
  NamedTensors weights_;
  AdamW optimizer_;
  BatchStream stream_;
  std::string checkpoints_;
  TrainingSpent spent_;
  double seconds_before_ = 0;  ///< spent by earlier runs
  double saved_at_ = 0;        ///< seconds at the last checkpoint
  std::deque<double> losses_;
  Json validation_;
};

}  // namespace mathtrap

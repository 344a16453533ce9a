// The training loop: batches in, steps of the optimiser, with log, validation and checkpoints on the way.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "finetune/batches.h"
#include "finetune/expert_monitor.h"
#include "finetune/gradient_reducer.h"
#include "finetune/optimizer.h"
#include "finetune/process_group.h"
#include "finetune/training.h"
#include "finetune/training_checkpoint.h"
#include "finetune/training_log.h"
#include "model/network.h"

namespace mathtrap {

/// What a training works on. All must outlive it.
struct TrainerInput {
  const TrainingOptions& options;
  const TrainingLimits& limits;  ///< those of the options, with epochs as documents
  const std::vector<BatchSource>& documents;
  const std::vector<double>& mix;  ///< of `documents`
  const std::vector<BatchSource>& held_out;
  const std::vector<double>& references;          ///< a held-out loss for each of `documents`, for a dynamic mix
  std::uint64_t fingerprint = 0;                  ///< of arguments and data: whose checkpoints are its own
  std::chrono::steady_clock::time_point started;  ///< from when time is counted
  ProcessGroup& group;                            ///< the processes that train together, each with its part of a step
};

class Trainer {
 public:
  /// Trains `network` in place: its low-rank updates where it has any, else all weights. Goes on from the last
  /// checkpoint in the output folder where there is one. Of several processes the first one alone reads and writes.
  Trainer(const TrainerInput& input, Network network);

  /// Trains until a limit is reached, or until the options' `stop` says so; then there is a checkpoint.
  TrainingResult run();

  const Network& network() const { return network_; }

 private:
  using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

  static NamedTensors require_gradients(const Network& network, LearnedWeights learned);
  /// What changes without gradients: the experts' selection biases.
  static NamedTensors selection_biases(const Network& network);
  /// Takes over the last checkpoint, in all processes.
  void restore();
  NamedTensors state_tensors() const;
  double seconds() const;
  double progress() const { return training_progress(input_.limits, spent_); }
  bool finished() const;
  /// One step; returns its line of the log.
  Json step();
  /// Losses of the steps before, from the log.
  void remember_losses(const std::vector<double>& losses);
  /// What the processes decide together after a step.
  struct Decision {
    bool stop = false;
    bool save = false;
  };
  Decision decide();
  /// The batches of one step, of all processes.
  std::vector<Batch> next_batches();
  /// Whether a batch of a step is this process's part of it.
  bool is_own(std::size_t batch) const;
  /// Adds the gradients of one step, over all processes. Returns the mean loss of its tokens.
  double add_gradients(const std::vector<Batch>& batches);
  /// Adds what the tokens of a batch cost, source by source.
  void add_source_losses(const at::Tensor& losses, const Batch& batch);
  void check_loss(double loss, double norm, const std::vector<Batch>& batches) const;
  void validate_into(Json& line);
  bool is_due(std::int64_t steps) const { return steps > 0 && spent_.steps % steps == 0; }
  /// Draws from the sources by new shares where the sampling rule says so.
  void update_mix(Json& line);
  /// What a line of the log says of the experts.
  void describe_experts(Json& line) const;
  void remember_validation(const Json& validation);
  double mean_loss() const;
  void remember_loss(double loss);
  void save();
  std::string describe() const;

  TrainerInput input_;
  const TrainingOptions& options_;
  Network network_;
  NamedTensors weights_;
  NamedTensors biases_;
  ProcessGroup& group_;
  GradientReducer reducer_;
  AdamW optimizer_;
  BatchStream stream_;
  std::string checkpoints_;
  TrainingSpent spent_;
  BestValidation best_;
  double product_rate_ = 0;  ///< operations a second of a large matrix product here
  double utilisation_ = 0;   ///< of the last step
  double balance_loss_ = 0;  ///< of the last step, of mixtures of experts
  ExpertMonitor experts_;
  std::vector<double> source_losses_;  ///< of the last step: sums of each source, then its numbers of tokens
  double seconds_before_ = 0;          ///< spent by earlier runs
  double saved_at_ = 0;                ///< seconds at the last checkpoint
  std::deque<double> losses_;
  Json validation_;
  std::map<std::string, double> held_out_losses_;  ///< of the last look, by source
};

}  // namespace mathtrap

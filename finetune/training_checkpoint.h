// Training checkpoints: all that a training needs to go on as if it had not stopped. One safetensors file each, written
// atomically; the last few are kept. Beside them lie the weights that were best on held-out data.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "finetune/schedule.h"

namespace mathtrap {

/// The lowest held-out loss so far.
struct BestValidation {
  std::int64_t step = 0;  ///< 0: there was no look yet
  double loss = 0;
  std::int64_t looks_since = 0;  ///< without a lower one
};

struct TrainingState {
  std::uint64_t fingerprint = 0;  ///< of arguments and data: a checkpoint of another training is refused
  TrainingSpent spent;
  BestValidation best;
  std::vector<std::int64_t> stream;                         ///< BatchStream::state
  std::vector<std::pair<std::string, at::Tensor>> tensors;  ///< weights and moments, by name
};

/// All of a state but its tensors as whole numbers, so many for every state of one stream, and back.
std::vector<std::int64_t> pack_state(const TrainingState& state);
TrainingState unpack_state(std::span<const std::int64_t> fields);

/// Keeps the last `kept` checkpoints of the folder.
void write_training_checkpoint(const std::string& folder, const TrainingState& state, std::int64_t kept);

/// The path of the newest checkpoint of a folder; empty when it has none.
std::string newest_training_checkpoint(const std::string& folder);

/// Copies the newest checkpoint's tensors into `tensors` and returns the rest; nothing when the folder has none. Throws
/// Error when it belongs to a training of another fingerprint, or does not fit.
std::optional<TrainingState> read_training_checkpoint(const std::string& folder, std::uint64_t fingerprint,
                                                      const std::vector<std::pair<std::string, at::Tensor>>& tensors);

/// The weights with the lowest held-out loss, which the next ones replace.
void write_best_weights(const std::string& folder, const std::vector<std::pair<std::string, at::Tensor>>& weights);
/// Copies them into `weights`. Throws Error when they are missing or do not fit.
void read_best_weights(const std::string& folder, const std::vector<std::pair<std::string, at::Tensor>>& weights);

}  // namespace mathtrap

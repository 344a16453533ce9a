// Training checkpoints: all that a training needs to go on as if it had not stopped. One safetensors file each, written
// atomically; the last two are kept.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "finetune/schedule.h"

namespace mathtrap {

struct TrainingState {
  std::uint64_t fingerprint = 0;  ///< of arguments and data: a checkpoint of another training is refused
  TrainingSpent spent;
  std::vector<std::int64_t> stream;                         ///< BatchStream::state
  std::vector<std::pair<std::string, at::Tensor>> tensors;  ///< weights and moments, by name
};

void write_training_checkpoint(const std::string& folder, const TrainingState& state);

/// The path of the newest checkpoint of a folder; empty when it has none.
std::string newest_training_checkpoint(const std::string& folder);

/// Copies the newest checkpoint's tensors into `tensors` and returns the rest; nothing when the folder has none. Throws
/// Error when it belongs to a training of another fingerprint, or does not fit.
std::optional<TrainingState> read_training_checkpoint(const std::string& folder, std::uint64_t fingerprint,
                                                      const std::vector<std::pair<std::string, at::Tensor>>& tensors);

}  // namespace mathtrap

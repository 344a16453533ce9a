// A checkpoint small enough to make in a test, in each layout that is read.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "model/checkpoint.h"

namespace mathtrap {

/// Two layers, two query heads to one key head, 266 pieces; every element of every tensor has its own value.
Checkpoint small_checkpoint(bool tied = false, at::ScalarType type = at::kFloat);

/// The same of any configuration.
Checkpoint checkpoint_of(const ModelConfig& config, at::ScalarType type = at::kFloat);

/// Writes it as two safetensors shards and an index.
void write_sharded(const std::string& folder, const Checkpoint& checkpoint);

}  // namespace mathtrap

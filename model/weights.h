// Which tensors a model of the LLaMA kind consists of, and whether a checkpoint has them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/config.h"
#include "model/mapped_tensor.h"

namespace mathtrap {

/// A tensor that a model of a configuration consists of.
struct ExpectedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// In a fixed order: that of named_weights (model/network.h). Linear weights are [out, in].
std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config);

/// Leaves out what is stored but computed here (frequencies of old checkpoints, a tied head), and throws Error when a
/// tensor of the configuration is missing, has another shape or dtype, or one is there that it does not have. Sets
/// config.torch_dtype to what the embedding is stored as.
void check_weights(Checkpoint& checkpoint);

/// Changes weights and biases of queries and keys whose rotary pairs lie side by side (Meta, GGUF) to Hugging Face's
/// order: of each head first all first members of pairs, then all second ones. They are copied, and their pages of
/// `file` released. Requires checked weights.
void use_rotary_halves(const SharedFile& file, Checkpoint& checkpoint);

}  // namespace mathtrap

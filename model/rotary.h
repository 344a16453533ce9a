// Rotary position embedding: frequencies, and their cosines and sines.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/config.h"

namespace mathtrap {

/// Frequencies (Su et al. 2021, section 3.4.2), one per pair of features, with the scaling of `config` applied:
/// [head_dim / 2].
std::vector<double> rotary_frequencies(const ModelConfig& config);

/// Cosine and sine of position times frequency, each f32 [positions, head_dim / 2].
struct RotaryTable {
  at::Tensor cosine;
  at::Tensor sine;
};

/// The table of positions 0 to count - 1.
RotaryTable rotary_table(const ModelConfig& config, std::int64_t count, const at::Device& device);

}  // namespace mathtrap

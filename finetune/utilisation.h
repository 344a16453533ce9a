// How well training uses the machine: model FLOPs utilisation (MFU, Chowdhery et al. 2022) against the rate of a large
// matrix product measured on the same machine.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"

namespace mathtrap {

/// Floating-point operations of one training step on a flat batch whose documents start at `starts`: forward and
/// backward through every product of weights and through attention (causal: half of all pairs), nothing else. With
/// `weights_frozen` the gradients of the weights are left out, as with adapters, whose own products are not counted.
double training_operations(const ModelConfig& config, const std::vector<std::int64_t>& starts, bool weights_frozen);

/// Operations a second of a matrix product in bfloat16 (where the machine has arithmetic for it, and `bf16`) or f32, by
/// all threads: the best of several short tries, a quarter of a second in all.
double measure_product_rate(bool bf16);

}  // namespace mathtrap

// The gate of a mixture of experts: which experts a token is sent to, with which scores, and how even the load is.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>

#include "model/config.h"
#include "model/mixture_weights.h"

namespace mathtrap {

/// Where the tokens of one layer go.
struct Routing {
  at::Tensor logits;        ///< [tokens, E] f32, without noise; undefined for the plain gates
  at::Tensor experts;       ///< [tokens, k] int64, those with the largest logits first
  at::Tensor scores;        ///< [tokens, k] f32, before the layer's scale
  at::Tensor importance;    ///< [E] f32: sum of scores
  at::Tensor load;          ///< [E] f32: tokens, in training their smooth estimate where the gate is noisy
  at::Tensor balance_loss;  ///< scalar f32, times its weight; undefined without gradients
};

/// Routes x [tokens, hidden]. With gradients enabled the noisy gate adds noise that hangs on `noise_seed` alone;
/// without gradients a token's experts and scores depend on its own x alone, to the bit. Random gates draw from the
/// bits of x. Ties go to the expert with the lower number.
///
/// Balance losses: of the noisy gate the weight times CV(importance)^2 + CV(load)^2, with Shazeer et al.'s smooth
/// estimate of the load (2017, appendix A) and CV^2 = variance (over E - 1) / (mean^2 + 1e-10), as LLaMA-MoE computes
/// it; of Switch and Mixtral the weight times E times the sum over experts of mean probability times share of the load
/// (Fedus et al. 2021).
Routing route(const at::Tensor& x, const GateWeights& gate, const ModelConfig& config, std::uint64_t noise_seed);

}  // namespace mathtrap

// A layer's mixture of experts: tokens are sorted by expert, each expert computes its own, and the results are added.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>

#include "model/config.h"
#include "model/gate.h"
#include "model/mixture_weights.h"
#include "model/ops.h"

namespace mathtrap {

struct MixtureOutput {
  at::Tensor delta;  ///< [tokens, hidden] f32: what the residual stream gets
  Routing routing;
  std::int64_t dropped = 0;  ///< pairs of token and expert beyond an expert's capacity, in training alone
};

/// One block alone: down(silu(x gate) * (x up)), [tokens, hidden] in x's format.
at::Tensor run_expert(const at::Tensor& x, const ExpertWeights& weights, Arithmetic arithmetic = Arithmetic::as_stored);

/// x [tokens, hidden], normalised. delta = shared(x) + sum over the chosen experts of scale * score * expert(x), or
/// without scores of scale * expert(x); a learned scale is a factor more. No token is dropped without gradients, and
/// its result depends on its own x alone, to the bit: an expert's sums are over one token, and experts are added in the
/// order of their numbers.
MixtureOutput mix_experts(const at::Tensor& x, const MixtureWeights& weights, const ModelConfig& config,
                          std::size_t layer, Arithmetic arithmetic, std::uint64_t noise_seed);

}  // namespace mathtrap

// Low-rank updates of linear weights (LoRA, Hu et al. 2021): beside y = x W^T a layer computes
// y + scale * dropout(x) A^T B^T, with few weights in A and B, while W stays as it is.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/adapter_options.h"
#include "model/ops.h"

namespace mathtrap {

struct LowRankUpdate {
  at::Tensor a;        ///< [rank, in]; PEFT's lora_A
  at::Tensor b;        ///< [out, rank]; PEFT's lora_B
  double scale = 0;    ///< alpha / rank
  double dropout = 0;  ///< probability that a feature of x is left out, while gradients are enabled
  bool defined() const { return a.defined(); }
};

/// By Projection; those without an update are not defined.
using LayerUpdates = std::array<LowRankUpdate, kProjections>;

/// y [tokens, sum of out] plus the updates of the projections whose outputs lie side by side in it. `widths`: the out
/// of each. Which features are dropped depends on `dropout_seed`, and on nothing else. Differentiable.
at::Tensor add_low_rank(const at::Tensor& y, const at::Tensor& x, const LayerUpdates& updates,
                        const std::vector<std::pair<Projection, std::int64_t>>& widths, std::uint64_t dropout_seed,
                        Arithmetic arithmetic);

/// weight [out, in] + scale * B A, in f32.
at::Tensor merged_weight(const at::Tensor& weight, const LowRankUpdate& update);

}  // namespace mathtrap

// The weights of a layer's mixture of experts, and their names and shapes in a checkpoint.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace mathtrap {

/// One feed-forward block: down(silu(gate(x)) * up(x)).
struct ExpertWeights {
  at::Tensor gate;  ///< [size, hidden]
  at::Tensor up;    ///< [size, hidden]
  at::Tensor down;  ///< [hidden, size]
};

/// What gives the logits of a gate (GateNetwork); what its kind does not have is undefined.
struct GateWeights {
  at::Tensor linear;          ///< [E, hidden]
  at::Tensor mlp_input;       ///< [E, hidden]
  at::Tensor mlp_output;      ///< [E, E]
  at::Tensor analytic_gate;   ///< [E, hidden]
  at::Tensor analytic_up;     ///< [E, hidden]
  at::Tensor noise;           ///< [E, hidden]
  at::Tensor selection_bias;  ///< [E], not learned by gradients
};

struct MixtureWeights {
  GateWeights gate;
  at::Tensor score_scale;  ///< [1]; undefined where it is not learned
  std::vector<ExpertWeights> experts;
  ExpertWeights shared;  ///< that every token activates; undefined where there are none
};

/// A weight of a mixture.
struct MixtureTensor {
  std::string name;  ///< behind "model.layers.N."
  std::vector<std::int64_t> shape;
  at::Tensor* tensor = nullptr;  ///< where it lives
};

/// Every weight of a layer's mixture, in the order of the computation: LLaMA-MoE's published names, or Mixtral's. Makes
/// weights.experts as many as there are.
std::vector<MixtureTensor> mixture_tensors(const ModelConfig& config, std::size_t layer, MixtureWeights& weights);

/// Whether a weight's name in a checkpoint is that of a gate's weight, or of the learned scale of its scores (not of an
/// expert's own gate projection).
bool is_gate_weight(std::string_view name);
/// Whether it is that of the bias that balances the load, which is not learned by gradients.
bool is_selection_bias(std::string_view name);

}  // namespace mathtrap

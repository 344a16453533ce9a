// Activation checkpointing (Chen et al. 2016): a layer's inner activations are thrown away after the forward pass and
// computed again when the backward pass needs them, so that memory holds those of one layer at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace mathtrap {

/// What runs through the layers.
struct LayerState {
  at::Tensor residual;      ///< the residual stream
  at::Tensor norm;          ///< its normalisation that the next block reads
  at::Tensor balance_loss;  ///< scalar: the sum over mixtures of experts so far; undefined where there are none
};
using LayerFunction = std::function<LayerState(const LayerState&)>;

/// layer(state), with the same values and gradients. `layer` must give the same result each time. `weight`: any weight
/// inside that is learned; without one the state's own gradients alone are wanted.
LayerState recomputed(const LayerFunction& layer, const LayerState& state, const at::Tensor& weight);

}  // namespace mathtrap

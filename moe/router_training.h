// A gate that is taught which experts matter before the mixture itself is trained: by gradient descent (MoEfication,
// arXiv 2110.01786), or in closed form.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/mixture_weights.h"
#include "model/network.h"
#include "moe/partition.h"

namespace mathtrap {

/// What a gate should know of each token: the sum of |h| over an expert's neurons, h being what enters the dense
/// layer's down projection: [tokens, experts] f32 of inputs [tokens, hidden].
at::Tensor expert_activations(const at::Tensor& inputs, const LayerWeights& dense,
                              const std::vector<std::vector<std::int64_t>>& experts);

enum class RouterLoss {
  top_k,       ///< binary cross-entropy on whether an expert is among the k most active
  divergence,  ///< Kullback-Leibler divergence from the experts' shares of the activation to the softmax of the logits
};

struct RouterTraining {
  RouterLoss loss = RouterLoss::top_k;
  std::int64_t select = 1;  ///< k
  std::int64_t epochs = 30;
  std::int64_t batch = 256;
  double learning_rate = 1e-2;
  std::uint64_t seed = 0;
};

/// Learns the weights in place by AdamW without decay; `gate` has those of GateNetwork::linear or mlp, f32. The same
/// seed gives the same weights for every number of threads that compute a product alike. Returns the share of the k
/// most active experts that the gate finds on these tokens.
double train_router(const at::Tensor& inputs, const at::Tensor& activations, const RouterTraining& training,
                    GateWeights& gate);

/// What each expert adds to a token's output, as a share of what all of them add: [tokens, experts] f64. A neuron adds
/// |h| times its weight: its importance (collect_importance, [groups, neurons], summed over groups) over its sum of |h|
/// on these inputs, which is how much the loss hangs on it; where importance is undefined, the length of the neuron's
/// column of the down projection.
at::Tensor expert_shares(const at::Tensor& inputs, const LayerWeights& dense, const at::Tensor& importance,
                         const std::vector<std::vector<std::int64_t>>& experts);

/// A linear gate [experts, hidden] f32 whose logits come nearest to `shares` in the sum of squares over tokens, by
/// ridge regression with a hundredth of the inputs' mean square: nothing is drawn, nothing is iterated. Throws Error
/// where the inputs are all zero or not numbers.
at::Tensor fit_router(const at::Tensor& inputs, const at::Tensor& shares);

/// The share of the k most active experts that are among the k largest logits.
double router_recall(const at::Tensor& inputs, const at::Tensor& activations, std::int64_t select,
                     const GateWeights& gate);

}  // namespace mathtrap

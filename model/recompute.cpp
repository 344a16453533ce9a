#include "model/recompute.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <memory>

namespace mathtrap {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// The layer function on its way to the backward pass: a context keeps only values of LibTorch's own kinds.
struct HeldFunction : torch::CustomClassHolder {
  explicit HeldFunction(LayerFunction held) : function(std::move(held)) {}
  LayerFunction function;
};

LayerState detached(const LayerState& state) {
  return {state.first.detach().requires_grad_(true), state.second.detach().requires_grad_(true)};
}

struct Recomputed : Function<Recomputed> {
  /// `weight` takes part only so that the result requires gradients when the layer's weights do and its input does not.
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& norm,
                               const at::Tensor& /*weight*/, const c10::intrusive_ptr<HeldFunction>& held) {
    context->save_for_backward({x, norm});
    context->saved_data["held"] = c10::IValue::make_capsule(held);
    // With gradients, so that the kernels are those of training; what they keep is freed at the end of this function.
    const at::AutoGradMode with_gradients(true);
    const LayerState result = held->function(detached({x, norm}));
    return {result.first.detach(), result.second.detach()};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto held = c10::static_intrusive_pointer_cast<HeldFunction>(context->saved_data["held"].toCapsule());
    const LayerState input = detached({saved[0], saved[1]});
    {
      const at::AutoGradMode with_gradients(true);
      const LayerState result = held->function(input);
      // Into the weights' gradients, too: they are leaves.
      torch::autograd::backward({result.first, result.second}, {gradients[0], gradients[1]});
    }
    return {input.first.grad(), input.second.grad(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

LayerState recomputed(const LayerFunction& layer, const LayerState& state, const at::Tensor& weight) {
  const variable_list result =
      Recomputed::apply(state.first, state.second, weight, c10::make_intrusive<HeldFunction>(layer));
  return {result[0], result[1]};
}

}  // namespace mathtrap

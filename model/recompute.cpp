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

variable_list list_of(const LayerState& state) {
  if (!state.balance_loss.defined()) return {state.residual, state.norm};
  return {state.residual, state.norm, state.balance_loss};
}

LayerState state_of(const variable_list& list) {
  return {list[0], list[1], list.size() > 2 ? list[2] : at::Tensor()};
}

LayerState detached(const LayerState& state) {
  variable_list list;
  for (const at::Tensor& tensor : list_of(state)) list.push_back(tensor.detach().requires_grad_(true));
  return state_of(list);
}

struct Recomputed : Function<Recomputed> {
  /// `weight` takes part only so that the result requires gradients when the layer's weights do and its input does not.
  static variable_list forward(AutogradContext* context, at::TensorList state, const at::Tensor& /*weight*/,
                               const c10::intrusive_ptr<HeldFunction>& held) {
    const variable_list kept(state.begin(), state.end());
    context->save_for_backward(kept);
    context->saved_data["held"] = c10::IValue::make_capsule(held);
    // With gradients, so that the kernels are those of training; what they keep is freed at the end of this function.
    const at::AutoGradMode with_gradients(true);
    variable_list result = list_of(held->function(detached(state_of(kept))));
    for (at::Tensor& tensor : result) tensor = tensor.detach();
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto held = c10::static_intrusive_pointer_cast<HeldFunction>(context->saved_data["held"].toCapsule());
    const LayerState input = detached(state_of(saved));
    {
      const at::AutoGradMode with_gradients(true);
      // Into the weights' gradients, too: they are leaves.
      torch::autograd::backward(list_of(held->function(input)), gradients);
    }
    variable_list result;
    for (const at::Tensor& tensor : list_of(input)) result.push_back(tensor.grad());
    result.resize(result.size() + 2);  // weight, held
    return result;
  }
};

}  // namespace

LayerState recomputed(const LayerFunction& layer, const LayerState& state, const at::Tensor& weight) {
  return state_of(Recomputed::apply(at::TensorList(list_of(state)), weight, c10::make_intrusive<HeldFunction>(layer)));
}

}  // namespace mathtrap

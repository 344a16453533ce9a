#include "model/training_ops.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "model/inference_ops.h"
#include "model/kernels/elementwise.h"
#include "model/kernels/row_loss.h"
#include "model/kernels/training_attention.h"

namespace mathtrap::training {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// Parts into which rows are cut whatever the number of threads, where a sum over rows is made of sums over parts.
constexpr std::int64_t kRowParts = 32;
constexpr std::int64_t kRowsPerTask = 64;

at::ScalarType product_type(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::bf16 ? at::kBFloat16 : at::kFloat;
}

Element element_of(const at::Tensor& tensor) {
  TORCH_INTERNAL_ASSERT(tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16);
  return tensor.scalar_type() == at::kBFloat16 ? Element::bf16 : Element::f32;
}

template <typename RowFunction>
void for_rows(std::int64_t rows, const RowFunction& function) {
  at::parallel_for(0, rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end) {
    function(RowRange{begin, end});
  });
}

/// Weights below each other, in one format.
at::Tensor stack(at::TensorList weights, at::ScalarType type) {
  if (weights.size() == 1) return weights[0].to(type);
  std::int64_t rows = 0;
  for (const at::Tensor& weight : weights) rows += weight.size(0);
  at::Tensor stacked = at::empty({rows, weights[0].size(1)}, type);
  std::int64_t row = 0;
  for (const at::Tensor& weight : weights) {
    stacked.narrow(0, row, weight.size(0)).copy_(weight);
    row += weight.size(0);
  }
  return stacked;
}

/// Gradients of y = x * stack(weights) transposed: of x, then of each weight. A frozen weight has none.
variable_list linear_gradients(AutogradContext* context, const at::Tensor& x, const at::Tensor& stacked,
                               const at::Tensor& gradient) {
  const at::Tensor dy = gradient.to(stacked.scalar_type()).contiguous();
  variable_list gradients;
  const auto x_type = static_cast<at::ScalarType>(context->saved_data["x_type"].toInt());
  gradients.push_back(context->saved_data["x_wanted"].toBool() ? at::mm(dy, stacked).to(x_type) : at::Tensor());
  const std::vector<std::int64_t> sizes = context->saved_data["sizes"].toIntVector();
  if (!context->saved_data["weights_wanted"].toBool()) {
    gradients.resize(sizes.size() + 1);
    return gradients;
  }
  const at::Tensor dw = at::mm(dy.t(), x).to(at::kFloat);
  std::int64_t row = 0;
  for (const std::int64_t size : sizes) {
    gradients.push_back(dw.narrow(0, row, size));
    row += size;
  }
  return gradients;
}

void remember_linear(AutogradContext* context, const at::Tensor& x, at::TensorList weights) {
  std::vector<std::int64_t> sizes;
  bool weights_wanted = false;
  for (const at::Tensor& weight : weights) {
    sizes.push_back(weight.size(0));
    weights_wanted = weights_wanted || weight.requires_grad();
  }
  context->saved_data["sizes"] = sizes;
  context->saved_data["weights_wanted"] = weights_wanted;
  context->saved_data["x_wanted"] = x.requires_grad();
  context->saved_data["x_type"] = static_cast<std::int64_t>(x.scalar_type());
}

struct Linear : Function<Linear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, at::TensorList weights,
                            at::ScalarType type) {
    const at::Tensor narrow = x.to(type);
    const at::Tensor stacked = stack(weights, type);
    remember_linear(context, x, weights);
    context->save_for_backward({narrow, stacked});
    return at::mm(narrow, stacked.t());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    variable_list result = linear_gradients(context, saved[0], saved[1], gradients[0]);
    result.emplace_back();  // type
    return result;
  }
};

struct OutputLogits : Function<OutputLogits> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            at::ScalarType type) {
    remember_linear(context, x, weight);
    context->save_for_backward({x.to(type), weight.to(type)});
    return inference::linear(x, weight);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    variable_list result = linear_gradients(context, saved[0], saved[1], gradients[0]);
    result.emplace_back();  // type
    return result;
  }
};

/// Gradient through y of a normalisation plus that of `sum_gradient`, where there is one: {x, delta, weight}. The
/// delta's is left out where `delta_type` is not given.
variable_list normalisation_gradients(const variable_list& saved, const at::Tensor& y_gradient,
                                      const at::Tensor& sum_gradient, bool delta_wanted) {
  const at::Tensor dy = y_gradient.contiguous();
  const at::Tensor dsum = sum_gradient.defined() ? sum_gradient.contiguous() : sum_gradient;
  const at::Tensor& sum = saved[0];
  const at::Tensor weight = saved[1].to(at::kFloat).contiguous();
  const at::Tensor dx = at::empty_like(sum);
  const at::Tensor ddelta = delta_wanted ? at::empty_like(dy) : at::Tensor();
  const at::Tensor dweight = at::zeros({kRowParts, sum.size(1)}, at::kFloat);
  AddRmsNormBackward work;
  work.sum = sum.data_ptr<float>();
  work.weight = weight.data_ptr<float>();
  work.scale = saved[2].data_ptr<float>();
  work.y_gradient = dy.data_ptr();
  work.sum_gradient = dsum.defined() ? dsum.data_ptr<float>() : nullptr;
  work.x_gradient = dx.data_ptr<float>();
  work.delta_gradient = delta_wanted ? ddelta.data_ptr() : nullptr;
  work.type = element_of(dy);
  work.width = sum.size(1);
  at::parallel_for(0, kRowParts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      AddRmsNormBackward own = work;
      own.weight_gradient = dweight.data_ptr<float>() + part * work.width;
      add_rms_norm_backward_rows(own, {sum.size(0) * part / kRowParts, sum.size(0) * (part + 1) / kRowParts});
    }
  });
  return {dx, ddelta, dweight.sum(0).to(saved[1].scalar_type())};
}

struct RmsNorm : Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, double epsilon,
                            at::ScalarType type) {
    const at::Tensor wide = weight.to(at::kFloat);
    at::Tensor y = at::empty(x.sizes(), x.options().dtype(type));
    const at::Tensor scale = at::empty({x.size(0)}, at::kFloat);
    AddRmsNorm work;
    work.x = x.data_ptr<float>();
    work.weight = wide.data_ptr<float>();
    work.y = y.data_ptr();
    work.type = element_of(y);
    work.scale = scale.data_ptr<float>();
    work.width = x.size(1);
    work.epsilon = epsilon;
    for_rows(x.size(0), [&](RowRange rows) { add_rms_norm_rows(work, rows); });
    context->save_for_backward({x, weight, scale});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list all =
        normalisation_gradients(context->get_saved_variables(), gradients[0], at::Tensor(), false);
    return {all[0], all[2], at::Tensor(), at::Tensor()};
  }
};

struct AddedRmsNorm : Function<AddedRmsNorm> {
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& delta,
                               const at::Tensor& weight, double epsilon, at::ScalarType type) {
    const at::Tensor wide = weight.to(at::kFloat);
    const at::Tensor addend = delta.to(type).contiguous();
    const at::Tensor sum = at::empty_like(x);
    const at::Tensor y = at::empty(x.sizes(), x.options().dtype(type));
    const at::Tensor scale = at::empty({x.size(0)}, at::kFloat);
    AddRmsNorm work;
    work.x = x.data_ptr<float>();
    work.delta = addend.data_ptr();
    work.weight = wide.data_ptr<float>();
    work.sum = sum.data_ptr<float>();
    work.y = y.data_ptr();
    work.type = element_of(y);
    work.scale = scale.data_ptr<float>();
    work.width = x.size(1);
    work.epsilon = epsilon;
    for_rows(x.size(0), [&](RowRange rows) { add_rms_norm_rows(work, rows); });
    context->save_for_backward({sum, weight, scale});
    context->saved_data["delta_type"] = static_cast<std::int64_t>(delta.scalar_type());
    context->set_materialize_grads(false);
    return {sum, y};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto delta_type = static_cast<at::ScalarType>(context->saved_data["delta_type"].toInt());
    variable_list all = normalisation_gradients(saved, gradients[1], gradients[0], delta_type != at::kFloat);
    if (!all[1].defined()) all[1] = all[0];
    return {all[0], all[1].to(delta_type), all[2], at::Tensor(), at::Tensor()};
  }
};

struct SwiGluFunction : Function<SwiGluFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate_up) {
    SwiGlu work;
    work.width = gate_up.size(1) / 2;
    at::Tensor result = at::empty({gate_up.size(0), work.width}, gate_up.options());
    work.gate_up = gate_up.data_ptr();
    work.result = result.data_ptr();
    work.type = element_of(gate_up);
    for_rows(gate_up.size(0), [&](RowRange rows) { swiglu_rows(work, rows); });
    context->save_for_backward({gate_up});
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::Tensor gate_up = context->get_saved_variables()[0];
    const at::Tensor gradient = gradients[0].contiguous();
    const at::Tensor result = at::empty_like(gate_up);
    SwiGluBackward work;
    work.gate_up = gate_up.data_ptr();
    work.result_gradient = gradient.data_ptr();
    work.gate_up_gradient = result.data_ptr();
    work.type = element_of(gate_up);
    work.width = gate_up.size(1) / 2;
    for_rows(gate_up.size(0), [&](RowRange rows) { swiglu_backward_rows(work, rows); });
    return {result};
  }
};

/// Calls function(begin, end, kv_head) for all sequences and key/value heads, shared among threads.
template <typename HeadFunction>
void for_heads(const std::vector<std::int64_t>& starts, std::int64_t kv_heads, const HeadFunction& function) {
  const std::int64_t sequences = static_cast<std::int64_t>(starts.size()) - 1;
  at::parallel_for(0, sequences * kv_heads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const auto sequence = static_cast<std::size_t>(task / kv_heads);
      function(starts[sequence], starts[sequence + 1], task % kv_heads);
    }
  });
}

TrainingAttention attention_work(const at::Tensor& query_key_value, const AttentionShape& shape,
                                 const at::Tensor& cosine, const at::Tensor& sine, const at::Tensor& log_sums) {
  TrainingAttention work;
  work.query_key_value = query_key_value.data_ptr();
  work.type = element_of(query_key_value);
  work.heads = shape.heads;
  work.kv_heads = shape.kv_heads;
  work.head_dim = shape.head_dim;
  work.window = shape.window;
  work.cosine = cosine.data_ptr<float>();
  work.sine = sine.data_ptr<float>();
  work.log_sums = log_sums.data_ptr<float>();
  return work;
}

struct CausalAttention : Function<CausalAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& query_key_value, const AttentionShape& shape,
                            const RotaryTable& table, const std::vector<std::int64_t>& starts) {
    const std::int64_t tokens = query_key_value.size(0);
    at::Tensor result = at::empty({tokens, shape.heads * shape.head_dim}, query_key_value.options());
    const at::Tensor log_sums = at::empty({tokens, shape.heads}, at::kFloat);
    TrainingAttention work = attention_work(query_key_value, shape, table.cosine, table.sine, log_sums);
    work.result = result.data_ptr();
    for_heads(starts, shape.kv_heads, [&](std::int64_t begin, std::int64_t end, std::int64_t kv_head) {
      training_attention(work, begin, end, kv_head);
    });
    context->save_for_backward({query_key_value, table.cosine, table.sine, log_sums});
    context->saved_data["starts"] = starts;
    context->saved_data["shape"] = std::vector<std::int64_t>{shape.heads, shape.kv_heads, shape.head_dim, shape.window};
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const std::vector<std::int64_t> sizes = context->saved_data["shape"].toIntVector();
    const AttentionShape shape = {sizes[0], sizes[1], sizes[2], sizes[3]};
    const at::Tensor gradient = gradients[0].contiguous();
    const at::Tensor result = at::empty_like(saved[0]);
    TrainingAttention work = attention_work(saved[0], shape, saved[1], saved[2], saved[3]);
    work.result_gradient = gradient.data_ptr();
    work.query_key_value_gradient = result.data_ptr();
    for_heads(context->saved_data["starts"].toIntVector(), shape.kv_heads,
              [&](std::int64_t begin, std::int64_t end, std::int64_t kv_head) {
                training_attention_backward(work, begin, end, kv_head);
              });
    return {result, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

struct CrossEntropy : Function<CrossEntropy> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& logits, const at::Tensor& targets) {
    const at::Tensor wanted = targets.contiguous();
    const at::Tensor losses = at::empty({logits.size(0)}, at::kFloat);
    const at::Tensor log_sums = at::empty({logits.size(0)}, at::kFloat);
    RowLoss work;
    work.logits = logits.data_ptr<float>();
    work.targets = wanted.data_ptr<std::int64_t>();
    work.losses = losses.data_ptr<float>();
    work.log_sums = log_sums.data_ptr<float>();
    work.width = logits.size(1);
    for_rows(logits.size(0), [&](RowRange rows) { row_losses(work, rows); });
    const auto counted = std::max<std::int64_t>(1, wanted.ge(0).sum().item<std::int64_t>());
    context->save_for_backward({logits, wanted, log_sums});
    context->saved_data["counted"] = counted;
    return losses.sum(at::kDouble).div(counted).to(at::kFloat);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor result = at::empty_like(saved[0]);
    RowLoss work;
    work.logits = saved[0].data_ptr<float>();
    work.targets = saved[1].data_ptr<std::int64_t>();
    work.log_sums = saved[2].data_ptr<float>();
    work.gradients = result.data_ptr<float>();
    work.width = saved[0].size(1);
    work.factor = gradients[0].item<float>() / static_cast<float>(context->saved_data["counted"].toInt());
    for_rows(saved[0].size(0), [&](RowRange rows) { row_loss_gradients(work, rows); });
    return {result, at::Tensor()};
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, at::TensorList weights, Arithmetic arithmetic) {
  return Linear::apply(x, weights, product_type(arithmetic));
}

at::Tensor output_logits(const at::Tensor& x, const at::Tensor& weight, Arithmetic arithmetic) {
  return OutputLogits::apply(x, weight, product_type(arithmetic));
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon, Arithmetic arithmetic) {
  return RmsNorm::apply(x, weight, epsilon, product_type(arithmetic));
}

ResidualNorm add_rms_norm(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& weight, double epsilon,
                          Arithmetic arithmetic) {
  const variable_list results = AddedRmsNorm::apply(x, delta, weight, epsilon, product_type(arithmetic));
  return {results[0], results[1]};
}

at::Tensor swiglu(const at::Tensor& gate_up) {
  return SwiGluFunction::apply(gate_up);
}

at::Tensor causal_attention(const at::Tensor& query_key_value, const AttentionShape& shape, const RotaryTable& table,
                            const std::vector<std::int64_t>& starts) {
  return CausalAttention::apply(query_key_value, shape, table, starts);
}

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
  return CrossEntropy::apply(logits, targets);
}

}  // namespace mathtrap::training

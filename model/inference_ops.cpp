#include "model/inference_ops.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>

#include "model/kernels/cached_attention.h"
#include "model/kernels/elementwise.h"
#include "model/kernels/matrix_product.h"

namespace mathtrap::inference {
namespace {

/// Elements below which handing rows to another thread costs more than it saves.
constexpr std::int64_t kElementsPerTask = 1 << 14;
/// New tokens of a sequence that one thread attends to at a time.
constexpr std::int64_t kTokensPerTask = 16;

std::int64_t rows_per_task(std::int64_t width) {
  return std::max<std::int64_t>(1, kElementsPerTask / width);
}

Element element_of(const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kBFloat16) return Element::bf16;
  if (tensor.scalar_type() == at::kHalf) return Element::f16;
  TORCH_INTERNAL_ASSERT(tensor.scalar_type() == at::kFloat);
  return Element::f32;
}

void multiply(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& result, std::int64_t first_column) {
  MatrixProduct product;
  product.a = x.data_ptr<float>();
  product.a_stride = x.size(1);
  product.w = weight.data_ptr();
  product.type = element_of(weight);
  product.w_stride = weight.size(1);
  product.c = result.data_ptr<float>() + first_column;
  product.c_stride = result.size(1);
  product.rows = x.size(0);
  product.columns = weight.size(0);
  product.depth = x.size(1);
  const ProductPlan plan = plan_product(product, at::get_num_threads());
  at::parallel_for(0, plan.count(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) multiply_block(product, plan, block);
  });
}

at::Tensor normalise(const at::Tensor& x, const at::Tensor* delta, const at::Tensor* sum, const at::Tensor& weight,
                     double epsilon) {
  const at::Tensor scale = weight.to(at::kFloat);
  at::Tensor result = at::empty_like(x);
  AddRmsNorm work;
  work.x = x.data_ptr<float>();
  work.delta = delta == nullptr ? nullptr : delta->data_ptr<float>();
  work.sum = sum == nullptr ? nullptr : sum->data_ptr<float>();
  work.weight = scale.data_ptr<float>();
  work.y = result.data_ptr<float>();
  work.width = x.size(1);
  work.epsilon = epsilon;
  at::parallel_for(0, x.size(0), rows_per_task(work.width), [&](std::int64_t begin, std::int64_t end) {
    add_rms_norm_rows(work, {begin, end});
  });
  return result;
}

/// Turns the new tokens' queries and keys in place, and writes keys and values into the sequence's cache.
void append(const at::Tensor& query_key_value, const AttentionShape& shape, const RotaryTable& table,
            const CachedSequence& sequence) {
  const std::int64_t width = query_key_value.size(1);
  const std::int64_t row_width = sequence.keys.size(2);
  const std::int64_t capacity = sequence.keys.size(1);
  RotaryRows work;
  work.x = query_key_value.data_ptr<float>() + sequence.first_token * width;
  work.row_stride = width;
  work.heads = shape.heads + shape.kv_heads;
  work.head_dim = shape.head_dim;
  work.first_position = sequence.first_position;
  work.cosine = table.cosine.data_ptr<float>();
  work.sine = table.sine.data_ptr<float>();
  rotary_rows(work, {0, sequence.tokens});
  const auto write = [&](const float* from, float* cache) {  // heads of one token
    for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
      float* const row = cache + head * capacity * row_width;
      std::copy_n(from + head * shape.head_dim, shape.head_dim, row);
      std::fill(row + shape.head_dim, row + row_width, 0.0F);
    }
  };
  for (std::int64_t token = 0; token < sequence.tokens; ++token) {
    const float* const key = work.x + token * width + shape.heads * shape.head_dim;
    const std::int64_t place = (sequence.first_position + token) * row_width;
    write(key, sequence.keys.data_ptr<float>() + place);
    write(key + shape.kv_heads * shape.head_dim, sequence.values.data_ptr<float>() + place);
  }
}

/// What one thread computes at a time: some tokens of a sequence for one key/value head.
struct AttentionTask {
  std::size_t sequence = 0;
  std::int64_t kv_head = 0;
  std::int64_t token_begin = 0;
  std::int64_t token_end = 0;
};

}  // namespace

at::Tensor linear(const at::Tensor& x, at::TensorList weights) {
  std::int64_t columns = 0;
  for (const at::Tensor& weight : weights) columns += weight.size(0);
  at::Tensor result = at::empty({x.size(0), columns}, at::kFloat);
  if (result.numel() == 0) return result;
  std::int64_t first_column = 0;
  for (const at::Tensor& weight : weights) {
    multiply(x, weight.contiguous(), result, first_column);
    first_column += weight.size(0);
  }
  return result;
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  return normalise(x, nullptr, nullptr, weight, epsilon);
}

ResidualNorm add_rms_norm(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& weight, double epsilon) {
  const at::Tensor sum = at::empty_like(x);
  return {sum, normalise(x, &delta, &sum, weight, epsilon)};
}

at::Tensor swiglu(const at::Tensor& gate_up) {
  SwiGlu work;
  work.width = gate_up.size(1) / 2;
  at::Tensor result = at::empty({gate_up.size(0), work.width}, at::kFloat);
  work.gate_up = gate_up.data_ptr<float>();
  work.result = result.data_ptr<float>();
  at::parallel_for(0, gate_up.size(0), rows_per_task(work.width), [&](std::int64_t begin, std::int64_t end) {
    swiglu_rows(work, {begin, end});
  });
  return result;
}

at::Tensor cached_attention(const at::Tensor& query_key_value, const AttentionShape& shape, const RotaryTable& table,
                            std::span<const CachedSequence> sequences) {
  const std::int64_t width = query_key_value.size(1);
  at::Tensor result = at::empty({query_key_value.size(0), shape.heads * shape.head_dim}, at::kFloat);
  std::vector<AttentionTask> tasks;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    for (std::int64_t begin = 0; begin < sequences[i].tokens; begin += kTokensPerTask) {
      for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
        tasks.push_back({i, head, begin, std::min(sequences[i].tokens, begin + kTokensPerTask)});
      }
    }
  }
  at::parallel_for(0, static_cast<std::int64_t>(sequences.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      append(query_key_value, shape, table, sequences[static_cast<std::size_t>(i)]);
    }
  });
  at::parallel_for(0, static_cast<std::int64_t>(tasks.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const AttentionTask& task = tasks[static_cast<std::size_t>(i)];
      const CachedSequence& sequence = sequences[task.sequence];
      CachedAttention work;
      work.query = query_key_value.data_ptr<float>() + sequence.first_token * width;
      work.query_stride = width;
      work.result = result.data_ptr<float>() + sequence.first_token * result.size(1);
      work.first_position = sequence.first_position;
      work.keys = sequence.keys.data_ptr<float>();
      work.values = sequence.values.data_ptr<float>();
      work.capacity = sequence.keys.size(1);
      work.heads = shape.heads;
      work.kv_heads = shape.kv_heads;
      work.head_dim = shape.head_dim;
      work.window = shape.window;
      attend_cached(work, task.kv_head, task.token_begin, task.token_end);
    }
  });
  return result;
}

}  // namespace mathtrap::inference

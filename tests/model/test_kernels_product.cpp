// Products and attention of the inference kernels: right, and the same to the bit wherever a row lies.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>

#include "model/inference_ops.h"
#include "model/kernels/cached_attention.h"
#include "model/portable_ops.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

at::Tensor random_tensor(at::IntArrayRef sizes, int seed) {
  at::Tensor tensor = at::empty(sizes, at::kFloat);
  return tensor.normal_(0, 1, at::make_generator<at::CPUGeneratorImpl>(static_cast<std::uint64_t>(seed)));
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor wide = b.to(at::kDouble);
  return ((a.to(at::kDouble) - wide).abs().max() / wide.abs().max()).item<double>();
}

RotaryTable table_of(std::int64_t head_dim) {
  ModelConfig config;
  config.head_dim = head_dim;
  config.rope_theta = 1000;
  return rotary_table(config, 256, at::kCPU);
}

/// A sequence's attention by `op`, its tokens given in chunks.
at::Tensor attend_in_chunks(const at::Tensor& query_key_value, const AttentionShape& shape,
                            const std::vector<std::int64_t>& chunks,
                            decltype(&inference::cached_attention) op = inference::cached_attention) {
  const RotaryTable table = table_of(shape.head_dim);
  const std::int64_t sizes[] = {shape.kv_heads, 256, cached_row_width(shape.head_dim)};
  CachedSequence sequence;
  sequence.keys = at::empty(sizes, at::kFloat).fill_(1e30);  // what was not written must not matter
  sequence.values = at::empty(sizes, at::kFloat).fill_(1e30);
  at::Tensor result = at::empty({query_key_value.size(0), shape.heads * shape.head_dim}, at::kFloat);
  std::int64_t first = 0;
  for (const std::int64_t chunk : chunks) {
    sequence.tokens = chunk;
    sequence.first_position = first;
    const at::Tensor part = query_key_value.narrow(0, first, chunk).clone();
    result.narrow(0, first, chunk).copy_(op(part, shape, table, {&sequence, 1}));
    first += chunk;
  }
  return result;
}

}  // namespace

TEST_CASE("products agree with float64 at every size, in every weight format") {
  for (const std::int64_t rows : {1, 5, 6, 7, 33, 200}) {
    for (const std::int64_t depth : {1, 16, 40, 257}) {
      for (const std::int64_t columns : {1, 3, 4, 50}) {
        const at::Tensor x = random_tensor({rows, depth}, 1);
        const at::Tensor w = random_tensor({columns, depth}, 2);
        for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
          INFO(rows << " x " << depth << " x " << columns << " " << at::toString(type));
          const at::Tensor weight = w.to(type);
          const at::Tensor expected = at::linear(x.to(at::kDouble), weight.to(at::kDouble));
          CHECK(((inference::linear(x, weight) - expected).abs().max() <
                 1e-6 * std::sqrt(static_cast<double>(depth)) * 10)
                    .item<bool>());
        }
      }
    }
  }
}

TEST_CASE("a row's product is the same to the bit among any other rows and with any number of threads") {
  const at::Tensor x = random_tensor({700, 331}, 1);
  const at::Tensor weights[] = {random_tensor({130, 331}, 2), random_tensor({66, 331}, 3).to(at::kBFloat16)};
  const int before = at::get_num_threads();
  const at::Tensor all = inference::linear(x, weights);
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    CHECK(inference::linear(x, weights).equal(all));
    for (const std::int64_t count : {1, 2, 5, 6, 11, 64}) {
      CHECK(inference::linear(x.narrow(0, 17, count), weights).equal(all.narrow(0, 17, count)));
    }
  }
  at::set_num_threads(before);
}

TEST_CASE("no rows give no rows") {
  CHECK(inference::linear(at::empty({0, 8}, at::kFloat), random_tensor({4, 8}, 1)).size(0) == 0);
}

TEST_CASE("cached attention agrees with the portable op") {
  for (const AttentionShape& shape : {AttentionShape{4, 4, 16}, AttentionShape{6, 2, 10}, AttentionShape{8, 1, 80},
                                      AttentionShape{2, 2, 6}, AttentionShape{4, 4, 16, 1}, AttentionShape{6, 2, 10, 5},
                                      AttentionShape{2, 2, 6, 33}, AttentionShape{4, 1, 16, 70}}) {
    const std::int64_t width = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
    const at::Tensor x = random_tensor({70, width}, 1) * 2;
    const at::Tensor expected = portable::causal_attention(x.to(at::kDouble), shape, table_of(shape.head_dim), {0, 70});
    INFO("head_dim " << shape.head_dim << ", window " << shape.window);
    CHECK(relative_difference(attend_in_chunks(x, shape, {70}), expected) < 1e-5);
    CHECK(relative_difference(attend_in_chunks(x, shape, {1, 30, 39}, portable::cached_attention), expected) < 1e-5);
  }
}

TEST_CASE("cached attention is the same to the bit in any chunks") {
  for (const AttentionShape& shape :
       {AttentionShape{6, 2, 10}, AttentionShape{4, 4, 64}, AttentionShape{7, 1, 32}, AttentionShape{6, 2, 10, 1},
        AttentionShape{4, 4, 64, 7}, AttentionShape{7, 1, 32, 40}}) {
    const std::int64_t width = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
    const at::Tensor x = random_tensor({100, width}, 1) * 2;
    const at::Tensor whole = attend_in_chunks(x, shape, {100});
    CHECK(attend_in_chunks(x, shape, std::vector<std::int64_t>(100, 1)).equal(whole));
    CHECK(attend_in_chunks(x, shape, {1, 2, 3, 94}).equal(whole));
    CHECK(attend_in_chunks(x, shape, {37, 1, 1, 16, 45}).equal(whole));
  }
}

TEST_CASE("normalisation and SwiGLU of a row are the same to the bit among any other rows") {
  const at::Tensor x = random_tensor({300, 75}, 1);
  const at::Tensor weight = random_tensor({75}, 2);
  CHECK(inference::rms_norm(x.narrow(0, 100, 7), weight, 1e-5)
            .equal(inference::rms_norm(x, weight, 1e-5).narrow(0, 100, 7)));
  CHECK(relative_difference(inference::rms_norm(x, weight, 1e-5), portable::rms_norm(x.to(at::kDouble), weight, 1e-5)) <
        1e-6);
  const at::Tensor gate_up = random_tensor({300, 66}, 3) * 4;
  CHECK(inference::swiglu(gate_up.narrow(0, 3, 5)).equal(inference::swiglu(gate_up).narrow(0, 3, 5)));
  CHECK(relative_difference(inference::swiglu(gate_up), portable::swiglu(gate_up.to(at::kDouble))) < 1e-6);
}

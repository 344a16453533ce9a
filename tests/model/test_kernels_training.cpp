// Every op with a backward pass of its own against ATen's gradients of the portable op in float64.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <functional>
#include <vector>

#include "model/ops.h"
#include "model/portable_ops.h"
#include "model/training_ops.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

using Tensors = std::vector<at::Tensor>;
using Operation = std::function<at::Tensor(const Tensors&)>;

at::Tensor random_tensor(at::IntArrayRef sizes, int seed) {
  at::Tensor tensor = at::empty(sizes, at::kFloat);
  return tensor.normal_(0, 1, at::make_generator<at::CPUGeneratorImpl>(static_cast<std::uint64_t>(seed)));
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor wide = b.to(at::kDouble);
  return ((a.to(at::kDouble) - wide).abs().max() / wide.abs().max()).item<double>();
}

/// The operation's result and the gradients of a weighted sum of it.
Tensors differentiate(const Operation& operation, const Tensors& inputs, at::ScalarType type) {
  Tensors leaves;
  for (const at::Tensor& input : inputs) leaves.push_back(input.detach().to(type, false, true).requires_grad_(true));
  const at::Tensor result = operation(leaves);
  const at::Tensor weights = random_tensor(result.sizes(), 99).to(type);
  (result.to(type) * weights).sum().backward();
  Tensors all = {result.detach()};
  for (const at::Tensor& leaf : leaves) all.push_back(leaf.grad());
  return all;
}

/// The fused operation in f32 against the portable one in float64: result and all gradients.
void check_against(const Operation& fused, const Operation& portable, const Tensors& inputs, double tolerance = 2e-6) {
  const Tensors expected = differentiate(portable, inputs, at::kDouble);
  const Tensors actual = differentiate(fused, inputs, at::kFloat);
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    INFO("item " << i << " (0: result, then gradients)");
    CHECK(relative_difference(actual[i], expected[i]) < tolerance);
  }
}

/// A table for tests of rotary embedding: 64 positions.
RotaryTable table_of(std::int64_t head_dim) {
  ModelConfig config;
  config.head_dim = head_dim;
  config.rope_theta = 100;
  return rotary_table(config, 64, at::kCPU);
}

}  // namespace

TEST_CASE("normalisation: result and gradients, at widths with and without a rest") {
  for (const std::int64_t width : {32, 37, 5}) {
    const Tensors inputs = {random_tensor({70, width}, 1), random_tensor({width}, 2)};
    check_against([](const Tensors& in) { return training::rms_norm(in[0], in[1], 1e-5, Arithmetic::as_stored); },
                  [](const Tensors& in) { return portable::rms_norm(in[0], in[1], 1e-5); }, inputs);
  }
}

TEST_CASE("addition and normalisation: gradients come through both results") {
  for (const std::int64_t width : {48, 21}) {
    const Tensors inputs = {random_tensor({70, width}, 1), random_tensor({70, width}, 2), random_tensor({width}, 3)};
    check_against(
        [](const Tensors& in) {
          const ResidualNorm both = training::add_rms_norm(in[0], in[1], in[2], 1e-5, Arithmetic::as_stored);
          return both.sum * 0.5 + both.norm;
        },
        [](const Tensors& in) {
          const at::Tensor sum = in[0] + in[1];
          return sum * 0.5 + portable::rms_norm(sum, in[2], 1e-5);
        },
        inputs);
  }
}

TEST_CASE("SwiGLU: result and gradients") {
  for (const std::int64_t width : {32, 19}) {
    check_against([](const Tensors& in) { return training::swiglu(in[0]); },
                  [](const Tensors& in) { return portable::swiglu(in[0]); }, {random_tensor({33, 2 * width}, 1) * 3});
  }
}

TEST_CASE("causal attention with rotary embedding: result and gradients") {
  struct Case {
    AttentionShape shape;
    std::vector<std::int64_t> starts;
  };
  const std::vector<Case> cases = {
      {{4, 4, 32}, {0, 50, 63, 64, 100}},
      {{6, 2, 10}, {0, 7, 60}},
      {{3, 1, 24}, {0, 1, 2, 3}},
      {{2, 2, 64}, {0, 64}},
      // With a sliding window: shorter than a sequence, of one position, as long as a sequence, longer.
      {{4, 2, 32, 5}, {0, 50, 63, 64, 100}},
      {{2, 1, 10, 1}, {0, 20}},
      {{2, 1, 10, 17}, {0, 16, 33, 51}},
      {{2, 2, 16, 1000}, {0, 40}}};
  for (const Case& item : cases) {
    const AttentionShape& shape = item.shape;
    const std::int64_t width = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
    const RotaryTable table = table_of(shape.head_dim);
    INFO("head_dim " << shape.head_dim << ", window " << shape.window);
    check_against([&](const Tensors& in) { return training::causal_attention(in[0], shape, table, item.starts); },
                  [&](const Tensors& in) { return portable::causal_attention(in[0], shape, table, item.starts); },
                  {random_tensor({item.starts.back(), width}, 1) * 2}, 1e-5);
  }
}

TEST_CASE("products: result and gradients, several weights side by side") {
  const Tensors inputs = {random_tensor({40, 24}, 1), random_tensor({16, 24}, 2), random_tensor({9, 24}, 3)};
  check_against(
      [](const Tensors& in) {
        const at::Tensor weights[] = {in[1], in[2]};
        return training::linear(in[0], weights, Arithmetic::as_stored);
      },
      [](const Tensors& in) {
        const at::Tensor weights[] = {in[1], in[2]};
        return portable::linear(in[0], weights, Arithmetic::as_stored);
      },
      inputs);
  check_against([](const Tensors& in) { return training::output_logits(in[0], in[1], Arithmetic::as_stored); },
                [](const Tensors& in) { return portable::linear(in[0], in[1], Arithmetic::as_stored); },
                {inputs[0], inputs[1]});
}

TEST_CASE("cross entropy: value and gradient, tokens without a target left out") {
  const at::Tensor targets = at::tensor(std::vector<std::int64_t>{3, -1, 0, 36, -100, 7});
  check_against([&](const Tensors& in) { return training::cross_entropy(in[0], targets); },
                [&](const Tensors& in) { return portable::cross_entropy(in[0], targets); },
                {random_tensor({6, 37}, 1) * 5});
  const at::Tensor none = at::tensor(std::vector<std::int64_t>{-1, -1});
  CHECK(training::cross_entropy(random_tensor({2, 37}, 1), none).item<double>() == 0);
}

TEST_CASE("frozen weights get no gradient, the input still does") {
  const at::Tensor x = random_tensor({8, 16}, 1).requires_grad_(true);
  const at::Tensor frozen = random_tensor({4, 16}, 2);
  training::linear(x, frozen, Arithmetic::as_stored).sum().backward();
  CHECK(x.grad().defined());
  CHECK_FALSE(frozen.grad().defined());
}

TEST_CASE("bf16 arithmetic stays within its rounding") {
  if (training_arithmetic(true, at::kCPU) != Arithmetic::bf16) return;
  const Tensors inputs = {random_tensor({40, 64}, 1), random_tensor({32, 64}, 2), random_tensor({64}, 3)};
  check_against(
      [](const Tensors& in) {
        const at::Tensor norm = training::rms_norm(in[0], in[2], 1e-5, Arithmetic::bf16);
        return training::swiglu(training::linear(norm, in[1], Arithmetic::bf16)).to(at::kFloat);
      },
      [](const Tensors& in) {
        return portable::swiglu(portable::linear(portable::rms_norm(in[0], in[2], 1e-5), in[1], Arithmetic::as_stored));
      },
      inputs, 0.02);
}

TEST_CASE("gradients of attention and normalisation are the same with one thread and two") {
  const AttentionShape shape = {4, 2, 16};
  const RotaryTable table = table_of(16);
  const Tensors inputs = {random_tensor({150, 128}, 1), random_tensor({128}, 2)};
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    return differentiate(
        [&](const Tensors& in) {
          const at::Tensor norm = training::rms_norm(in[0], in[1], 1e-5, Arithmetic::as_stored);
          return training::causal_attention(norm, shape, table, {0, 40, 64, 100, 150});
        },
        inputs, at::kFloat);
  };
  const int before = at::get_num_threads();
  const Tensors one = run(1);
  const Tensors two = run(2);
  at::set_num_threads(before);
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(one[i].equal(two[i]));
}

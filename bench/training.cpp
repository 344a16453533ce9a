// Training steps a second of this program, beside a plain LibTorch loop on the same model and the same documents:
// padded batches, ATen calls, autograd, autocast to bfloat16, LibTorch's AdamW. Prints tokens/s (padding does not
// count) and model FLOPs utilisation against the rate of a large matrix product on this machine.
//   bench_training [THREADS]
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <vector>

#include "bench/llama_shape.h"
#include "finetune/optimizer.h"
#include "finetune/utilisation.h"
#include "model/network.h"
#include "model/runtime.h"
#include "support/random.h"

namespace mathtrap {
namespace {

constexpr int kRounds = 3;  // the two take turns, so that a busy moment of the machine hits both

struct Shape {
  const char* name;
  ModelConfig config;
  std::int64_t tokens;    ///< of a step
  std::int64_t shortest;  ///< document
  std::int64_t longest;
};

/// Documents of random tokens, flat and padded.
struct Work {
  at::Tensor flat;  ///< [tokens]
  SequenceLayout layout;
  at::Tensor padded;   ///< [documents, longest]
  at::Tensor targets;  ///< [documents, longest]: the next token; -100 behind a document's end
};

Work make_work(const Shape& shape) {
  Random random(1);
  std::vector<std::int64_t> tokens;
  Work work;
  std::int64_t longest = 0;
  while (static_cast<std::int64_t>(tokens.size()) < shape.tokens) {
    work.layout.starts.push_back(static_cast<std::int64_t>(tokens.size()));
    const std::int64_t length = random.uniform_int(shape.shortest, shape.longest);
    longest = std::max(longest, length);
    for (std::int64_t i = 0; i < length; ++i) tokens.push_back(random.uniform_int(0, shape.config.vocab_size - 1));
  }
  work.layout.starts.push_back(static_cast<std::int64_t>(tokens.size()));
  work.flat = at::tensor(tokens);
  const auto documents = static_cast<std::int64_t>(work.layout.starts.size()) - 1;
  work.padded = at::full({documents, longest}, 0, at::kLong);
  work.targets = at::full({documents, longest}, -100, at::kLong);
  for (std::int64_t i = 0; i < documents; ++i) {
    const std::int64_t start = work.layout.starts[static_cast<std::size_t>(i)];
    const std::int64_t length = work.layout.starts[static_cast<std::size_t>(i) + 1] - start;
    work.padded[i].narrow(0, 0, length).copy_(work.flat.narrow(0, start, length));
    work.targets[i].narrow(0, 0, length - 1).copy_(work.flat.narrow(0, start + 1, length - 1));
  }
  return work;
}

/// A LLaMA as one writes it down in LibTorch.
class PlainModel {
 public:
  explicit PlainModel(Network network) : network_(std::move(network)) {}

  at::Tensor loss(const at::Tensor& tokens, const at::Tensor& targets) const {
    const std::int64_t length = tokens.size(1);
    const at::Tensor mask = at::full({length, length}, -1e9).triu(1);
    const auto [cosine, sine] = rotation(length);
    at::Tensor x = at::embedding(network_.embedding, tokens);
    for (const LayerWeights& layer : network_.layers) {
      const at::Tensor norm = normalise(x, layer.attention_norm);
      const at::Tensor query = turn(heads(at::linear(norm, layer.query)), cosine, sine);
      const at::Tensor key = turn(heads(at::linear(norm, layer.key)), cosine, sine);
      const double scale = 1 / std::sqrt(static_cast<double>(network_.config.head_dim));
      const at::Tensor scores = at::matmul(query, key.transpose(-1, -2)) * scale + mask;
      const at::Tensor mixed = at::matmul(at::softmax(scores, -1), heads(at::linear(norm, layer.value)));
      x = x + at::linear(mixed.transpose(1, 2).flatten(2), layer.output);
      const at::Tensor inner = normalise(x, layer.mlp_norm);
      x = x + at::linear(at::silu(at::linear(inner, layer.gate)) * at::linear(inner, layer.up), layer.down);
    }
    const at::Tensor logits = at::linear(normalise(x, network_.final_norm), network_.head);
    return at::cross_entropy_loss(logits.flatten(0, 1).to(at::kFloat), targets.flatten());
  }

 private:
  at::Tensor normalise(const at::Tensor& x, const at::Tensor& weight) const {
    return x * at::rsqrt(x.pow(2).mean(-1, true) + network_.config.rms_norm_eps) * weight;
  }

  at::Tensor heads(const at::Tensor& x) const {
    return x.view({x.size(0), x.size(1), network_.config.num_attention_heads, network_.config.head_dim})
        .transpose(1, 2);
  }

  std::pair<at::Tensor, at::Tensor> rotation(std::int64_t length) const {
    const std::int64_t half = network_.config.head_dim / 2;
    const at::Tensor powers =
        at::arange(half, at::kFloat) * (-std::log(network_.config.rope_theta) / static_cast<double>(half));
    const at::Tensor angles = at::outer(at::arange(length, at::kFloat), powers.exp());
    const at::Tensor both = at::cat({angles, angles}, 1);
    return {both.cos(), both.sin()};
  }

  static at::Tensor turn(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine) {
    const std::int64_t half = x.size(-1) / 2;
    const at::Tensor turned = at::cat({-x.narrow(-1, half, half), x.narrow(-1, 0, half)}, -1);
    return x * cosine + turned * sine;
  }

  Network network_;
};

std::vector<at::Tensor> learned(const Network& network) {
  std::vector<at::Tensor> weights;
  for (const auto& [name, weight] : named_weights(network)) weights.push_back(weight.requires_grad_(true));
  return weights;
}

/// One step of this program; returns the loss.
double own_step(const Network& network, AdamW& optimizer, const Work& work, const at::Tensor& positions,
                const at::Tensor& targets) {
  const at::Tensor logits = training_forward(network, work.flat, work.layout, {true, false, positions});
  const at::Tensor loss = at::cross_entropy_loss(logits, targets);
  loss.backward();
  optimizer.step(1e-4);
  return loss.item<double>();
}

double plain_step(const PlainModel& model, torch::optim::AdamW& optimizer, const Work& work, bool bf16) {
  optimizer.zero_grad();
  at::autocast::set_cpu_enabled(bf16);
  const at::Tensor loss = model.loss(work.padded, work.targets);
  at::autocast::clear_cache();
  at::autocast::set_cpu_enabled(false);
  loss.backward();
  optimizer.step();
  return loss.item<double>();
}

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void measure(const Shape& shape, double rate) {
  const bool bf16 = training_arithmetic(true, at::kCPU) == Arithmetic::bf16;
  const Work work = make_work(shape);
  // Positions in the flat batch whose next token is in the same document.
  std::vector<std::int64_t> positions;
  for (std::size_t i = 0; i + 1 < work.layout.starts.size(); ++i) {
    for (std::int64_t p = work.layout.starts[i]; p + 1 < work.layout.starts[i + 1]; ++p) positions.push_back(p);
  }
  const at::Tensor places = at::tensor(positions);
  const at::Tensor targets = work.flat.index_select(0, places + 1);

  const Network network = random_network(shape.config, 1);
  learned(network);
  AdamW optimizer(named_weights(network), {});
  const Network plain_network = random_network(shape.config, 1);
  torch::optim::AdamW plain_optimizer(learned(plain_network), torch::optim::AdamWOptions(1e-4));
  const PlainModel plain(plain_network);

  // Both begin with the same weights: if the losses differ, one of them does not compute what it should.
  const double own_loss = own_step(network, optimizer, work, places, targets);
  const double plain_loss = plain_step(plain, plain_optimizer, work, bf16);
  double own = std::numeric_limits<double>::infinity();
  double other = own;
  for (int round = 0; round < kRounds; ++round) {
    own = std::min(own, seconds_of([&] { own_step(network, optimizer, work, places, targets); }));
    other = std::min(other, seconds_of([&] { plain_step(plain, plain_optimizer, work, bf16); }));
  }
  const auto tokens = static_cast<double>(work.flat.size(0));
  const double operations = training_operations(shape.config, work.layout.starts, false);
  fmt::print(
      "{:<9} {:>6.0f} tokens, {}: {:>7.0f} tokens/s, {:>4.1f}% of the product rate; plain LibTorch: {:>7.0f} tokens/s; "
      "ratio {:.2f} (losses {:.4f} and {:.4f})\n",
      shape.name, tokens, bf16 ? "bf16" : "f32", tokens / own, 100 * operations / own / rate, tokens / other,
      other / own, own_loss, plain_loss);
}

int run(int threads) {
  prepare_runtime(threads);
  const double rate = measure_product_rate(true);
  fmt::print("{} threads, product rate {:.1f} GFLOP/s\n", at::get_num_threads(), rate / 1e9);
  measure({"organism", llama_shape(192, 512, 6, 6, 6, 1024), 8192, 60, 200}, rate);
  measure({"110M", llama_shape(768, 2048, 12, 12, 12, 32000), 2048, 128, 512}, rate);
  return 0;
}

}  // namespace
}  // namespace mathtrap

int main(int argc, char** argv) {
  return mathtrap::run(argc > 1 ? std::atoi(argv[1]) : 0);
}

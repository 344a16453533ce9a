#include "finetune/utilisation.h"

#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <chrono>

#include "model/ops.h"

namespace mathtrap {
namespace {

constexpr std::int64_t kSize = 1024;  // of the measured product: large enough for the best rate, small enough to repeat
constexpr double kMeasuredSeconds = 0.25;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

double training_operations(const ModelConfig& config, const std::vector<std::int64_t>& starts, bool weights_frozen) {
  const auto hidden = static_cast<double>(config.hidden_size);
  const auto query = static_cast<double>(config.num_attention_heads * config.head_dim);
  const auto key = static_cast<double>(config.num_key_value_heads * config.head_dim);
  const auto layers = static_cast<double>(config.num_hidden_layers);
  double weights = layers * hidden * (2 * query + 2 * key) + hidden * static_cast<double>(config.vocab_size);
  for (std::size_t i = 0; i < static_cast<std::size_t>(config.num_hidden_layers); ++i) {
    const double neurons =
        config.mixture.is_dense() ? static_cast<double>(config.intermediate_size) : active_neurons(config.mixture, i);
    weights += 3 * hidden * neurons;
  }
  // A product is 2 operations a weight and token; backward computes the gradient of its input and of its weight.
  const double passes = weights_frozen ? 2 : 3;
  double operations = 0;
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
    const auto tokens = static_cast<double>(starts[i + 1] - starts[i]);
    operations += 2 * passes * tokens * weights;
    // Scores and sums over values, each 2 operations a pair and feature; both inputs have gradients.
    operations += 3 * layers * 4 * query * tokens * (tokens + 1) / 2;
  }
  return operations;
}

double measure_product_rate(bool bf16) {
  const Arithmetic arithmetic = training_arithmetic(bf16, at::kCPU);
  const at::Tensor a = at::ones({kSize, kSize}, arithmetic == Arithmetic::bf16 ? at::kBFloat16 : at::kFloat);
  at::mm(a, a);  // the first call sets the library up
  const auto begin = std::chrono::steady_clock::now();
  double best = 0;
  do {
    const auto start = std::chrono::steady_clock::now();
    at::mm(a, a);
    best = std::max(best, 2.0 * kSize * kSize * kSize / seconds_since(start));
  } while (seconds_since(begin) < kMeasuredSeconds);
  return best;
}

}  // namespace mathtrap

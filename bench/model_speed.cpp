// Tokens a second of the network: training, reading prompts, decoding. Random weights: speed does not depend on them.
//   bench_model [THREADS]
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <vector>

#include "bench/llama_shape.h"
#include "model/network.h"
#include "model/runtime.h"
#include "model/scheduler/forward.h"
#include "support/random.h"

namespace mathtrap {
namespace {

struct Shape {
  const char* name;
  ModelConfig config;
  std::int64_t batch_tokens;  ///< of a training step
  std::int64_t prompt;        ///< tokens
};

double best_seconds(int repetitions, const std::function<void()>& work) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

at::Tensor random_tokens(std::int64_t count, std::int64_t vocabulary) {
  at::Tensor tokens = at::empty({count}, at::kLong);
  Random random(1);
  auto* ids = tokens.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < count; ++i) ids[i] = random.uniform_int(0, vocabulary - 1);
  return tokens;
}

/// Documents of 60 to 200 tokens, as the shipped families have.
SequenceLayout documents(std::int64_t tokens) {
  SequenceLayout layout;
  Random random(2);
  for (std::int64_t start = 0; start < tokens; start += random.uniform_int(60, 200)) layout.starts.push_back(start);
  layout.starts.push_back(tokens);
  return layout;
}

void measure_training(const Shape& shape, const Network& network) {
  for (const auto& [name, weight] : named_weights(network)) weight.requires_grad_(true);
  const at::Tensor tokens = random_tokens(shape.batch_tokens, shape.config.vocab_size);
  const SequenceLayout layout = documents(shape.batch_tokens);
  const double seconds = best_seconds(5, [&] {
    cross_entropy(training_forward(network, tokens, layout, {true, false, {}}), tokens).backward();
    for (const auto& [name, weight] : named_weights(network)) weight.mutable_grad().reset();
  });
  for (const auto& [name, weight] : named_weights(network)) weight.requires_grad_(false);
  fmt::print("{:<10} train  {:>9.0f} tokens/s\n", shape.name, static_cast<double>(shape.batch_tokens) / seconds);
}

void measure_inference(const Shape& shape, const Network& network, std::int64_t sequences) {
  const at::NoGradGuard no_gradients;
  constexpr std::int64_t kDecoded = 32;
  const RotaryTable table = rotary_table(shape.config, shape.prompt + kDecoded, at::kCPU);
  const std::vector<TokenId> prompt(static_cast<std::size_t>(shape.prompt), 7);
  double read = 0;
  double decoded = 0;
  const auto run = [&] {
    std::vector<KeyValueCache> caches;
    for (std::int64_t i = 0; i < sequences; ++i) {
      caches.push_back(make_key_value_cache(shape.config, shape.prompt + kDecoded, at::kCPU));
    }
    read = best_seconds(1, [&] {
      for (KeyValueCache& cache : caches) {
        const NewTokens tokens = {prompt, &cache};
        const std::int64_t last = shape.prompt - 1;
        forward_new_tokens(network, table, {&tokens, 1}, {&last, 1});
      }
    });
    decoded = best_seconds(1, [&] {
      for (std::int64_t step = 0; step < kDecoded; ++step) {
        std::vector<NewTokens> batch;
        std::vector<std::int64_t> rows;
        for (KeyValueCache& cache : caches) {
          rows.push_back(static_cast<std::int64_t>(batch.size()));
          batch.push_back({std::span(prompt).first(1), &cache});
        }
        forward_new_tokens(network, table, batch, rows);
      }
    });
  };
  run();
  run();
  fmt::print("{:<10} read   {:>9.0f} tokens/s, decode {:>7.0f} tokens/s, {} sequences of {} tokens\n", shape.name,
             static_cast<double>(sequences * shape.prompt) / read, static_cast<double>(sequences * kDecoded) / decoded,
             sequences, shape.prompt);
}

int run(int threads) {
  prepare_runtime(threads);
  fmt::print("{} threads\n", at::get_num_threads());
  const Shape shapes[] = {{"2.9M", llama_shape(192, 512, 6, 6, 6, 1024), 8192, 100},
                          {"5.4M", llama_shape(256, 768, 6, 8, 8, 1024), 8192, 100},
                          {"134M", llama_shape(576, 1536, 30, 9, 3, 49152), 1024, 512}};
  for (const Shape& shape : shapes) {
    const Network network = random_network(shape.config, 1);
    measure_training(shape, network);
    for (const std::int64_t sequences : {1, 32}) measure_inference(shape, network, sequences);
  }
  return 0;
}

}  // namespace
}  // namespace mathtrap

int main(int argc, char** argv) {
  return mathtrap::run(argc > 1 ? std::atoi(argv[1]) : 0);
}

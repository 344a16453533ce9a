// AdamW and its schedule against a plain computation in float64.
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <vector>

#include "finetune/optimizer.h"
#include "support/random.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

at::Tensor random_tensor(std::int64_t rows, std::int64_t columns, Random& random) {
  at::Tensor tensor = at::empty({rows, columns}, at::kFloat);
  for (std::int64_t i = 0; i < tensor.numel(); ++i) tensor.data_ptr<float>()[i] = static_cast<float>(random.normal());
  return tensor;
}

/// The same update, in float64, one number at a time (Loshchilov, Hutter 2019, algorithm 2).
struct PlainAdamW {
  std::vector<double> weight;
  std::vector<double> first;
  std::vector<double> second;
  int steps = 0;

  void step(const std::vector<double>& gradient, double rate, double decay, const OptimizerOptions& options) {
    ++steps;
    for (std::size_t i = 0; i < weight.size(); ++i) {
      first[i] = options.beta1 * first[i] + (1 - options.beta1) * gradient[i];
      second[i] = options.beta2 * second[i] + (1 - options.beta2) * gradient[i] * gradient[i];
      const double m = first[i] / (1 - std::pow(options.beta1, steps));
      const double v = second[i] / (1 - std::pow(options.beta2, steps));
      weight[i] -= rate * decay * weight[i] + rate * m / (std::sqrt(v) + options.epsilon);
    }
  }
};

}  // namespace

TEST_CASE("AdamW follows the plain computation, with clipping and decay on matrices alone") {
  Random random(11);
  OptimizerOptions options;
  for (const char* name : {"model.layers.0.mlp.up_proj.weight", "model.embed_tokens.weight"}) {
    const double decay = std::string(name) == "model.embed_tokens.weight" ? 0 : options.weight_decay;
    const at::Tensor weight = random_tensor(7, 5, random);
    weight.requires_grad_(true);
    AdamW optimizer({{name, weight}}, options);
    PlainAdamW plain;
    plain.weight.assign(weight.data_ptr<float>(), weight.data_ptr<float>() + weight.numel());
    plain.first.assign(plain.weight.size(), 0);
    plain.second.assign(plain.weight.size(), 0);
    for (int step = 0; step < 20; ++step) {
      const at::Tensor gradient = random_tensor(7, 5, random);
      weight.mutable_grad() = gradient;
      std::vector<double> clipped(gradient.data_ptr<float>(), gradient.data_ptr<float>() + gradient.numel());
      double squares = 0;
      for (const double value : clipped) squares += value * value;
      const double norm = std::sqrt(squares);
      for (double& value : clipped) value *= std::min(1.0, options.clip_norm / norm);
      CHECK(optimizer.step(1e-2) == Approx(norm));
      plain.step(clipped, 1e-2, decay, options);
    }
    for (std::size_t i = 0; i < plain.weight.size(); ++i)
      CHECK(weight.data_ptr<float>()[i] == Approx(plain.weight[i]).epsilon(1e-4));
  }
}

TEST_CASE("a gradient that is not finite changes nothing") {
  const at::Tensor weight = at::zeros({2, 2}, at::kFloat);
  weight.requires_grad_(true);
  AdamW optimizer({{"w", weight}}, {});
  weight.mutable_grad() = at::zeros({2, 2}, at::kFloat);
  weight.grad().data_ptr<float>()[1] = std::nanf("");
  CHECK_FALSE(std::isfinite(optimizer.step(1.0)));
  for (int i = 0; i < 4; ++i) CHECK(weight.data_ptr<float>()[i] == 0);
}

TEST_CASE("the learning rate rises, then falls along a cosine to its last share") {
  OptimizerOptions options;
  options.learning_rate = 2;
  options.warmup_share = 0.1;
  options.final_share = 0.1;
  CHECK(learning_rate(options, 0.05) == Approx(1));
  CHECK(learning_rate(options, 0.1) == Approx(2));
  CHECK(learning_rate(options, 0.55) == Approx(2 * (0.1 + 0.9 * 0.5)));
  CHECK(learning_rate(options, 1.0) == Approx(0.2));
}

TEST_CASE("progress is the largest part used up of any limit") {
  CHECK(training_progress({100, 0, 0}, {25, 9999, 9999}) == Approx(0.25));
  CHECK(training_progress({0, 1000, 0}, {9999, 100, 9999}) == Approx(0.1));
  CHECK(training_progress({0, 0, 60}, {9999, 9999, 30}) == Approx(0.5));
  CHECK(training_progress({100, 1000, 60}, {25, 100, 30}) == Approx(0.5));
  CHECK(training_progress({100, 1000, 60}, {90, 100, 30}) == Approx(0.9));
  CHECK(training_progress({100, 0, 0}, {101, 0, 0}) == 1);
}

TEST_CASE("many steps on matrices of several blocks follow the plain computation") {
  Random random(12);
  OptimizerOptions options;
  options.clip_norm = 0;
  const at::Tensor weight = random_tensor(250, 400, random);
  weight.requires_grad_(true);
  AdamW optimizer({{"model.layers.0.mlp.up_proj.weight", weight}}, options);
  PlainAdamW plain;
  plain.weight.assign(weight.data_ptr<float>(), weight.data_ptr<float>() + weight.numel());
  plain.first.assign(plain.weight.size(), 0);
  plain.second.assign(plain.weight.size(), 0);
  for (int step = 0; step < 30; ++step) {
    const at::Tensor gradient = random_tensor(250, 400, random);
    weight.mutable_grad() = gradient;
    const std::vector<double> wide(gradient.data_ptr<float>(), gradient.data_ptr<float>() + gradient.numel());
    double squares = 0;
    for (const double value : wide) squares += value * value;
    CHECK(optimizer.step(1e-3) == Approx(std::sqrt(squares)).epsilon(1e-12));
    plain.step(wide, 1e-3, options.weight_decay, options);
  }
  double largest = 0;
  for (std::size_t i = 0; i < plain.weight.size(); ++i) {
    largest = std::max(largest, std::abs(weight.data_ptr<float>()[i] - plain.weight[i]));
  }
  CHECK(largest < 1e-5);  // f32 rounding of values up to 5, thirty times
}

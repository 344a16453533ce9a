// The network against a plain float64 computation: grouped-query attention, rotary scalings, tied and untied heads.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "model/network.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

using Vector = std::vector<double>;

ModelConfig small_config() {
  ModelConfig config;
  config.hidden_size = 24;
  config.intermediate_size = 40;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 6;
  config.num_key_value_heads = 2;
  config.head_dim = 10;
  config.vocab_size = 37;
  config.max_position_embeddings = 64;
  return config;
}

/// weight [out, in] times x [in].
Vector multiply(const at::Tensor& weight, const Vector& x) {
  const at::Tensor wide = weight.to(at::kDouble).contiguous();
  const auto* values = wide.data_ptr<double>();
  Vector result(static_cast<std::size_t>(weight.size(0)));
  for (double& sum : result) {
    for (const double item : x) sum += *values++ * item;
  }
  return result;
}

void add(Vector& x, const Vector& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

/// multiply, and the bias where there is one.
Vector project(const at::Tensor& weight, const at::Tensor& bias, const Vector& x) {
  Vector result = multiply(weight, x);
  if (!bias.defined()) return result;
  const at::Tensor wide = bias.to(at::kDouble);
  add(result, Vector(wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel()));
  return result;
}

Vector normalise(const Vector& x, const at::Tensor& weight, double epsilon) {
  const at::Tensor wide = weight.to(at::kDouble);
  double squares = 0;
  for (const double item : x) squares += item * item;
  const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + epsilon);
  Vector result;
  for (std::size_t i = 0; i < x.size(); ++i) result.push_back(x[i] * scale * wide.data_ptr<double>()[i]);
  return result;
}

double expected_frequency(const ModelConfig& config, std::size_t pair) {
  const double base =
      1 / std::pow(config.rope_theta, static_cast<double>(2 * pair) / static_cast<double>(config.head_dim));
  const RopeScaling& scaling = config.rope_scaling;
  if (scaling.kind == RopeScalingKind::linear) return base / scaling.factor;
  if (scaling.kind == RopeScalingKind::none) return base;
  const auto context = static_cast<double>(scaling.original_max_position_embeddings);
  const double wavelength = 2 * std::numbers::pi / base;
  if (wavelength > context / scaling.low_frequency_factor) return base / scaling.factor;
  if (wavelength < context / scaling.high_frequency_factor) return base;
  const double smooth = (context / wavelength - scaling.low_frequency_factor) /
                        (scaling.high_frequency_factor - scaling.low_frequency_factor);
  return (1 - smooth) * base / scaling.factor + smooth * base;
}

void turn(Vector& x, std::size_t position, const ModelConfig& config) {
  const auto width = static_cast<std::size_t>(config.head_dim);
  for (std::size_t head = 0; head < x.size() / width; ++head) {
    for (std::size_t pair = 0; pair < width / 2; ++pair) {
      const double angle = static_cast<double>(position) * expected_frequency(config, pair);
      double& a = x[head * width + pair];
      double& b = x[head * width + pair + width / 2];
      const double old_a = a;
      a = a * std::cos(angle) - b * std::sin(angle);
      b = b * std::cos(angle) + old_a * std::sin(angle);
    }
  }
}

/// Attention of one query vector [heads * head_dim] over the keys and values so far.
Vector attend(const ModelConfig& config, const Vector& query, const std::vector<Vector>& keys,
              const std::vector<Vector>& values) {
  const auto width = static_cast<std::size_t>(config.head_dim);
  const auto group = static_cast<std::size_t>(config.num_attention_heads / config.num_key_value_heads);
  Vector result(query.size());
  for (std::size_t head = 0; head < query.size() / width; ++head) {
    const std::size_t kv = head / group * width;
    Vector weights;
    double total = 0;
    for (const Vector& key : keys) {
      double score = 0;
      for (std::size_t i = 0; i < width; ++i) score += query[head * width + i] * key[kv + i];
      weights.push_back(std::exp(score / std::sqrt(static_cast<double>(width))));
      total += weights.back();
    }
    for (std::size_t place = 0; place < keys.size(); ++place) {
      for (std::size_t i = 0; i < width; ++i) {
        result[head * width + i] += weights[place] / total * values[place][kv + i];
      }
    }
  }
  return result;
}

/// The last `window` of all; all where it is 0.
std::vector<Vector> seen_by(const std::vector<Vector>& all, std::int64_t window) {
  const auto size = static_cast<std::size_t>(window);
  return window == 0 || all.size() <= size ? all : std::vector<Vector>(all.end() - window, all.end());
}

/// Logits of every position of one sequence, in float64, from the definition of LLaMA.
std::vector<Vector> expected_logits(const Network& network, const std::vector<std::int64_t>& tokens) {
  const ModelConfig& config = network.config;
  const at::Tensor embedding = network.embedding.to(at::kDouble);
  std::vector<std::vector<Vector>> keys(network.layers.size());
  std::vector<std::vector<Vector>> values(network.layers.size());
  std::vector<Vector> logits;
  for (std::size_t position = 0; position < tokens.size(); ++position) {
    const auto* row = embedding.data_ptr<double>() + tokens[position] * config.hidden_size;
    Vector x(row, row + config.hidden_size);
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      const LayerWeights& layer = network.layers[i];
      const Vector input = normalise(x, layer.attention_norm, config.rms_norm_eps);
      Vector query = project(layer.query, layer.query_bias, input);
      Vector key = project(layer.key, layer.key_bias, input);
      turn(query, position, config);
      turn(key, position, config);
      keys[i].push_back(key);
      values[i].push_back(project(layer.value, layer.value_bias, input));
      const std::int64_t window =
          static_cast<std::int64_t>(i) < config.first_windowed_layer ? 0 : config.sliding_window;
      const Vector mixed = attend(config, query, seen_by(keys[i], window), seen_by(values[i], window));
      add(x, project(layer.output, layer.output_bias, mixed));
      const Vector mlp_input = normalise(x, layer.mlp_norm, config.rms_norm_eps);
      Vector gate = multiply(layer.gate, mlp_input);
      const Vector up = multiply(layer.up, mlp_input);
      for (std::size_t j = 0; j < gate.size(); ++j) gate[j] = gate[j] / (1 + std::exp(-gate[j])) * up[j];
      add(x, multiply(layer.down, gate));
    }
    logits.push_back(multiply(network.head, normalise(x, network.final_norm, config.rms_norm_eps)));
  }
  return logits;
}

/// Largest difference over all logits, relative to the largest logit.
double relative_error(const at::Tensor& logits, const std::vector<Vector>& expected) {
  const at::Tensor wide = logits.detach().to(at::kCPU, at::kDouble).contiguous();
  const auto* values = wide.data_ptr<double>();
  double largest = 0;
  double difference = 0;
  for (const Vector& row : expected) {
    for (const double value : row) {
      largest = std::max(largest, std::abs(value));
      difference = std::max(difference, std::abs(value - *values++));
    }
  }
  return difference / largest;
}

/// Weights large enough for attention and activation to matter.
Network lively_network(const ModelConfig& config, std::uint64_t seed) {
  Network network = random_network(config, seed);
  for (auto& [name, weight] : named_weights(network)) {
    if (weight.dim() == 2) weight.mul_(name.find("o_proj") == std::string::npos ? 10 : 20);
    if (name.ends_with("bias")) weight.copy_(at::arange(weight.numel()).mul(0.618034).frac().sub(0.5));
  }
  return network;
}

/// Two documents of different lengths in one flat batch against each alone in float64.
double error_of_two_documents(const ModelConfig& config) {
  const Network network = lively_network(config, 5);
  const std::vector<std::int64_t> first = {1, 5, 9, 36, 0, 7, 7, 12, 30, 2, 11};
  const std::vector<std::int64_t> second = {1, 8, 4, 22, 17};
  std::vector<std::int64_t> flat = first;
  flat.insert(flat.end(), second.begin(), second.end());
  const at::Tensor logits = training_forward(network, at::tensor(flat), {{0, 11, 16}}, {});
  std::vector<Vector> expected = expected_logits(network, first);
  for (Vector& row : expected_logits(network, second)) expected.push_back(std::move(row));
  return relative_error(logits, expected);
}

}  // namespace

TEST_CASE("logits agree with float64, grouped queries and a head size apart from hidden / heads") {
  CHECK(error_of_two_documents(small_config()) < 1e-5);
}

TEST_CASE("logits agree with float64 for every head grouping and tied embeddings") {
  ModelConfig config = small_config();
  config.tie_word_embeddings = true;
  for (const std::int64_t kv_heads : {1, 2, 3, 6}) {
    config.num_key_value_heads = kv_heads;
    CHECK(error_of_two_documents(config) < 1e-5);
  }
}

TEST_CASE("logits agree with float64 for every kind of rotary scaling") {
  ModelConfig config = small_config();
  config.rope_theta = 500000;
  config.rope_scaling.kind = RopeScalingKind::linear;
  config.rope_scaling.factor = 4;
  CHECK(error_of_two_documents(config) < 1e-5);
  config.rope_scaling.kind = RopeScalingKind::llama3;
  config.rope_scaling.original_max_position_embeddings = 32;
  CHECK(error_of_two_documents(config) < 1e-5);
}

TEST_CASE("logits agree with float64 with biases, and with a window in all layers or the last ones") {
  ModelConfig config = small_config();
  config.query_key_value_bias = true;
  CHECK(error_of_two_documents(config) < 1e-5);
  config.attention_output_bias = true;
  CHECK(error_of_two_documents(config) < 1e-5);
  for (const std::int64_t window : {1, 3, 11, 12}) {
    for (const std::int64_t first : {0, 1, 2}) {
      INFO("window " << window << " from layer " << first);
      config.sliding_window = window;
      config.first_windowed_layer = first;
      CHECK(error_of_two_documents(config) < 1e-5);
    }
  }
}

TEST_CASE("random weights are the same for a seed, LLaMA-sized, and each is named once") {
  const ModelConfig config = small_config();
  const auto weights = named_weights(random_network(config, 3));
  CHECK(weights.size() == 2 + 9 * 2 + 1);
  for (const auto& [name, weight] : named_weights(random_network(config, 3))) {
    const std::string& wanted = name;  // Clang 14 cannot capture what a structured binding names
    const auto other =
        std::find_if(weights.begin(), weights.end(), [&wanted](const auto& item) { return item.first == wanted; });
    REQUIRE(other != weights.end());
    CHECK(weight.equal(other->second));
  }
  CHECK_FALSE(weights[0].second.equal(named_weights(random_network(config, 4))[0].second));
  const at::Tensor query = random_network(config, 3).layers[0].query;
  CHECK(query.std().item<double>() == Approx(0.02).epsilon(0.1));
}

TEST_CASE("every weight and bias gets a gradient that a finite difference confirms, also through a window") {
  ModelConfig config = small_config();
  config.query_key_value_bias = true;
  config.attention_output_bias = true;
  config.sliding_window = 3;
  config.first_windowed_layer = 1;
  const Network network = lively_network(config, 5);
  const at::Tensor tokens = at::tensor(std::vector<std::int64_t>{1, 5, 9, 36, 0, 7, 1, 12, 30});
  const SequenceLayout layout = {{0, 6, 9}};
  const auto loss = [&] { return training_forward(network, tokens, layout, {}).log_softmax(-1).square().mean(); };
  const auto weights = named_weights(network);
  CHECK(weights.size() == 2 + 13 * 2 + 1);
  for (const auto& [name, weight] : weights) weight.requires_grad_(true);
  loss().backward();
  for (const auto& [name, weight] : weights) {
    INFO(name);
    const at::Tensor gradient = weight.grad().clone();
    // Along the gradient itself, where the change is largest against rounding.
    const double norm = gradient.norm().item<double>();
    REQUIRE(norm > 0);
    const at::Tensor step = gradient * (0.01 / norm);
    weight.set_requires_grad(false);
    weight.add_(step);
    const double above = loss().item<double>();
    weight.sub_(step, 2);
    const double below = loss().item<double>();
    weight.add_(step);
    weight.set_requires_grad(true);
    CHECK((above - below) / 0.02 == Approx(norm).epsilon(0.02));
  }
}

// Tiny models of each architecture, made and computed by another program (tests/golden/models): logits and greedy
// replies, in training and in generation, from a folder and from a GGUF file; and a real quantised model.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/config.h"
#include "model/network.h"
#include "model/rotary.h"
#include "model/scheduler/forward.h"
#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/model/gguf_writer.h"
#include "tests/model/published_model.h"
#include "tests/model/scratch.h"

using namespace mathtrap;

namespace {

constexpr const char* kModels[] = {"llama3", "llama_tied", "mistral", "qwen2"};
constexpr double kTolerance = 1e-4;

std::string folder_of(const std::string& model) {
  return std::filesystem::path(MATHTRAP_SOURCE_DIR) / "tests/golden/models" / model;
}

struct Expected {
  std::vector<TokenId> tokens;
  std::vector<TokenId> greedy;  ///< what follows the tokens
  at::Tensor logits;            ///< [tokens, vocab]
};

Expected read_expected(const std::string& model) {
  const std::filesystem::path path = std::filesystem::path(folder_of(model)) / "expected.json";
  const Json json = parse_json(read_file(path), {path, 0, ""});
  Expected expected;
  expected.tokens = json.at("tokens").get<std::vector<TokenId>>();
  expected.greedy = json.at("greedy").get<std::vector<TokenId>>();
  std::vector<double> logits;
  for (const Json& row : json.at("logits")) {
    const auto values = row.get<std::vector<double>>();
    logits.insert(logits.end(), values.begin(), values.end());
  }
  expected.logits = at::tensor(logits).view({static_cast<std::int64_t>(expected.tokens.size()), -1});
  return expected;
}

double largest_difference(const at::Tensor& one, const at::Tensor& other) {
  return (one.detach().to(at::kDouble) - other.to(at::kDouble)).abs().max().item<double>();
}

at::Tensor training_logits(const Network& network, const std::vector<TokenId>& tokens) {
  const std::vector<std::int64_t> wide(tokens.begin(), tokens.end());
  return training_forward(network, at::tensor(wide), {{0, static_cast<std::int64_t>(wide.size())}}, {});
}

/// One sequence that is continued.
class Generation {
 public:
  explicit Generation(const Network& network)
      : network_(network),
        table_(rotary_table(network.config, kCapacity, at::kCPU)),
        cache_(make_key_value_cache(network.config, kCapacity, at::kCPU)) {}

  /// Logits of each of the new tokens.
  at::Tensor add(std::span<const TokenId> tokens) {
    const at::NoGradGuard no_gradients;
    std::vector<std::int64_t> rows(tokens.size());
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int64_t>(i);
    const NewTokens batch[] = {{tokens, &cache_}};
    return forward_new_tokens(network_, table_, batch, rows);
  }

 private:
  static constexpr std::int64_t kCapacity = 64;
  const Network& network_;
  RotaryTable table_;
  KeyValueCache cache_;
};

at::Tensor generation_logits(const Network& network, const std::vector<TokenId>& tokens, std::size_t chunk) {
  Generation generation(network);
  std::vector<at::Tensor> parts;
  for (std::size_t first = 0; first < tokens.size(); first += chunk) {
    parts.push_back(generation.add(std::span(tokens).subspan(first, std::min(chunk, tokens.size() - first))));
  }
  return at::cat(parts);
}

/// The checkpoint as a GGUF file, and read again.
Checkpoint through_gguf(const Checkpoint& checkpoint, GgufTensorType matrices) {
  const ScratchFolder folder;
  return read_checkpoint(folder.write("model.gguf", gguf_of(checkpoint, matrices).bytes()));
}

}  // namespace

TEST_CASE("logits of every architecture agree with transformers', in training and in generation") {
  for (const char* model : kModels) {
    INFO(model);
    const Expected expected = read_expected(model);
    const Network network = make_network(read_checkpoint(folder_of(model)), "cpu");
    CHECK(largest_difference(training_logits(network, expected.tokens), expected.logits) < kTolerance);
    const at::Tensor whole = generation_logits(network, expected.tokens, expected.tokens.size());
    CHECK(largest_difference(whole, expected.logits) < kTolerance);
    for (const std::size_t chunk : {1, 3, 7}) CHECK(generation_logits(network, expected.tokens, chunk).equal(whole));
  }
}

TEST_CASE("greedy replies of every architecture are transformers'") {
  for (const char* model : kModels) {
    INFO(model);
    const Expected expected = read_expected(model);
    const Network network = make_network(read_checkpoint(folder_of(model)), "cpu");
    Generation generation(network);
    at::Tensor logits = generation.add(expected.tokens);
    std::vector<TokenId> reply;
    while (reply.size() < expected.greedy.size()) {
      reply.push_back(static_cast<TokenId>(logits[-1].argmax().item<std::int64_t>()));
      logits = generation.add({&reply.back(), 1});
    }
    CHECK(reply == expected.greedy);
  }
}

TEST_CASE("what each architecture is for matters to its logits") {
  const auto without = [](const char* model, void (*change)(ModelConfig & config)) {
    const Expected expected = read_expected(model);
    Network network = make_network(read_checkpoint(folder_of(model)), "cpu");
    change(network.config);
    return largest_difference(generation_logits(network, expected.tokens, 24), expected.logits);
  };
  CHECK(without("llama3", [](ModelConfig& config) { config.rope_scaling = {}; }) > 0.01);
  CHECK(without("llama_tied", [](ModelConfig& config) { config.rope_scaling = {}; }) > 0.01);
  CHECK(without("mistral", [](ModelConfig& config) { config.sliding_window = 0; }) > 0.01);
  CHECK(without("mistral", [](ModelConfig& config) { config.sliding_window = 6; }) > 0.01);
}

TEST_CASE("a folder that is written again has the configuration and the weights that were read") {
  for (const char* model : kModels) {
    INFO(model);
    const Checkpoint checkpoint = read_checkpoint(folder_of(model));
    const ScratchFolder folder;
    write_hugging_face_folder(folder.path(), checkpoint);
    const Checkpoint again = read_checkpoint(folder.path());
    CHECK(write_hugging_face_config(again.config) == write_hugging_face_config(checkpoint.config));
    REQUIRE(again.tensors.size() == checkpoint.tensors.size());
    for (const auto& [name, tensor] : checkpoint.tensors) CHECK(again.tensors.at(name).equal(tensor));
  }
}

TEST_CASE("a GGUF file of every architecture gives the folder's logits") {
  for (const char* model : {"llama3", "llama_tied", "mistral", "qwen2"}) {
    INFO(model);
    const Expected expected = read_expected(model);
    const Checkpoint checkpoint = read_checkpoint(folder_of(model));
    const Checkpoint again = through_gguf(checkpoint, GgufTensorType::bf16);
    CHECK(again.config.architecture == checkpoint.config.architecture);
    CHECK(again.config.sliding_window == checkpoint.config.sliding_window);
    CHECK(again.config.query_key_value_bias == checkpoint.config.query_key_value_bias);
    const Network network = make_network(again, "cpu");
    CHECK(largest_difference(generation_logits(network, expected.tokens, 24), expected.logits) < kTolerance);
  }
}

TEST_CASE("GGUF files that another program wrote give transformers' logits") {
  for (const char* model : {"llama3", "llama_tied", "qwen2"}) {
    INFO(model);
    const Expected expected = read_expected(model);
    const Checkpoint checkpoint = read_checkpoint(folder_of(model) + "/model.gguf");
    const Checkpoint folder = read_checkpoint(folder_of(model));
    for (const auto& [name, tensor] : folder.tensors)
      CHECK(checkpoint.tensors.at(name).equal(tensor.to(checkpoint.tensors.at(name).scalar_type())));
    const Network network = make_network(checkpoint, "cpu");
    CHECK(largest_difference(generation_logits(network, expected.tokens, 24), expected.logits) < kTolerance);
  }
}

TEST_CASE("SmolLM2: logits of the quantised file are llama.cpp's of the same weights in f32") {
  const auto file = find_smollm2();
  if (!file) return;
  const std::filesystem::path path = std::filesystem::path(folder_of("smollm2")) / "expected.json";
  const Json expected = parse_json(read_file(path), {path, 0, ""});
  const Network network = make_network(read_checkpoint(file->string()), "cpu");
  CHECK(network.config.tie_word_embeddings);
  const auto tokens = expected.at("tokens").get<std::vector<TokenId>>();
  const at::Tensor logits = generation_logits(network, tokens, tokens.size()).to(at::kDouble);
  double largest = 0;
  for (std::size_t row = 0; row < tokens.size(); ++row) {
    for (const Json& pair : expected.at("logits").at(row)) {
      const double own = logits[static_cast<std::int64_t>(row)][pair.at(0).get<std::int64_t>()].item<double>();
      largest = std::max(largest, std::abs(own - pair.at(1).get<double>()));
    }
  }
  CHECK(largest < 5e-4);  // of logits up to 33
}

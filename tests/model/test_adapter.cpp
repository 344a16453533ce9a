// Adapters in PEFT's layout: what PEFT computes with them, a round trip, and what is refused.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "model/adapter.h"
#include "model/checkpoint.h"
#include "model/network.h"
#include "model/safetensors.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/model/scratch.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

const fs::path kGolden = fs::path(MATHTRAP_SOURCE_DIR) / "tests" / "golden";
const std::string kBase = kGolden / "models" / "llama_tied";

/// Largest difference from the logits that PEFT gives.
double logits_error(const Network& network, const std::string& adapter) {
  const Json expected = Json::parse(read_file(kGolden / "adapters" / adapter / "expected.json"));
  const auto tokens = expected["tokens"].get<std::vector<std::int64_t>>();
  const at::Tensor logits =
      training_forward(network, at::tensor(tokens), {{0, static_cast<std::int64_t>(tokens.size())}}, {});
  double error = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const at::Tensor row = at::tensor(expected["logits"][i].get<std::vector<double>>());
    error = std::max(error, (logits[static_cast<std::int64_t>(i)] - row).abs().max().item<double>());
  }
  return error;
}

}  // namespace

TEST_CASE("adapters made by PEFT give PEFT's logits, merged and beside the weights") {
  for (const std::string name : {"plain", "stabilised"}) {
    INFO(name);
    const std::string folder = kGolden / "adapters" / name;
    const Network merged = make_network(read_adapted(folder, kBase), "cpu");
    CHECK(logits_error(merged, name) < 1e-4);
    const Checkpoint base = read_checkpoint(kBase);
    Network beside = make_network(base, "cpu");
    CHECK(logits_error(beside, name) > 0.1);
    beside.updates = read_adapter(folder, base.config).updates;
    const at::NoGradGuard no_dropout;
    CHECK(logits_error(beside, name) < 1e-4);
  }
}

TEST_CASE("an adapter is written as it was read: the same names, the same numbers") {
  const ScratchFolder scratch;
  const std::string folder = kGolden / "adapters" / "plain";
  const ModelConfig config = read_checkpoint(kBase).config;
  const Adapter adapter = read_adapter(folder, config);
  CHECK(adapter.options.rank == 4);
  CHECK(adapter.options.alpha == 6);
  CHECK(adapter.options.dropout == 0.1);
  CHECK(adapter.base == "tests/golden/models/llama_tied");
  const std::string copy = scratch / "copy";
  write_adapter(copy, adapter, at::kFloat);
  const std::map<std::string, at::Tensor> before = read_safetensors(folder + "/adapter_model.safetensors");
  const std::map<std::string, at::Tensor> after = read_safetensors(copy + "/adapter_model.safetensors");
  REQUIRE(after.size() == before.size());
  for (const auto& [name, tensor] : before) {
    REQUIRE(after.count(name) == 1);
    CHECK(after.at(name).equal(tensor));
  }
  const Json theirs = Json::parse(read_file(folder + "/adapter_config.json"));
  const Json ours = Json::parse(read_file(copy + "/adapter_config.json"));
  for (const char* field : {"peft_type", "task_type", "r", "lora_alpha", "lora_dropout", "bias", "fan_in_fan_out"}) {
    CHECK(ours[field] == theirs[field]);
  }
}

TEST_CASE("adapters that do not fit are refused, and the tensor is named") {
  const ScratchFolder scratch;
  const ModelConfig config = read_checkpoint(kBase).config;
  const std::string folder = kGolden / "adapters" / "plain";
  const Json good = Json::parse(read_file(folder + "/adapter_config.json"));
  const std::map<std::string, at::Tensor> tensors = read_safetensors(folder + "/adapter_model.safetensors");
  const std::string name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
  const auto message = [&](const Json& settings, const std::map<std::string, at::Tensor>& weights) {
    write_file_atomically(scratch / "adapter_config.json", settings.dump());
    write_safetensors(scratch / "adapter_model.safetensors", weights, {});
    return error_of([&] { read_adapter(scratch / "", config); });
  };
  std::map<std::string, at::Tensor> spoilt = tensors;
  spoilt[name] = spoilt[name].narrow(0, 0, 3).contiguous();
  CHECK(contains(message(good, spoilt), name));
  spoilt = tensors;
  spoilt.erase("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight");
  CHECK(contains(message(good, spoilt), "q_proj.lora_B.weight is missing"));
  spoilt = tensors;
  spoilt["base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight"] = spoilt[name];
  CHECK(contains(message(good, spoilt), "layers.9.self_attn.q_proj.lora_A.weight belongs to no layer"));
  CHECK(contains(message(good, {}), "no update"));
  const auto with = [&](const char* field, const Json& value) {
    Json settings = good;
    settings[field] = value;
    return message(settings, tensors);
  };
  CHECK(contains(with("r", 0), "r: a number from 1"));
  CHECK(contains(with("r", "4"), "\"r\""));
  CHECK(contains(with("bias", "all"), "bias: only \"none\""));
  CHECK(contains(with("modules_to_save", Json::array({"lm_head"})), "modules_to_save"));
  CHECK(contains(with("alpha_pattern", Json{{"q_proj", 3}}), "alpha_pattern"));
}

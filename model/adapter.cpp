#include "model/adapter.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "model/safetensors.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"
#include "support/random.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeightsName = "adapter_model.safetensors";
constexpr const char* kPrefix = "base_model.model.model.";  // PEFT's, before "layers.N."
constexpr std::int64_t kMaxRank = 65536;

bool is_feed_forward(Projection projection) {
  return projection == Projection::gate || projection == Projection::up || projection == Projection::down;
}

std::pair<std::int64_t, std::int64_t> weight_shape(const ModelConfig& config, Projection projection) {
  const std::int64_t queries = config.num_attention_heads * config.head_dim;
  const std::int64_t keys = config.num_key_value_heads * config.head_dim;
  switch (projection) {
    case Projection::query:
      return {queries, config.hidden_size};
    case Projection::key:
    case Projection::value:
      return {keys, config.hidden_size};
    case Projection::output:
      return {config.hidden_size, queries};
    case Projection::gate:
    case Projection::up:
      return {config.intermediate_size, config.hidden_size};
    case Projection::down:
      break;
  }
  return {config.hidden_size, config.intermediate_size};
}

std::string update_name(std::size_t layer, Projection projection, const char* part) {
  return fmt::format("layers.{}.{}.{}.weight", layer, module_path(projection), part);
}

/// Features of PEFT that would change what the adapter computes, and are not here.
void refuse_what_is_not_supported(const Json& json, const std::string& path) {
  if (json_string(json, "peft_type", {path, 0, ""}) != "LORA") fail({path, 0, "peft_type"}, "only LORA is supported");
  for (const char* field : {"use_dora", "fan_in_fan_out", "lora_bias", "use_qalora"}) {
    if (json.contains(field) && json[field].is_boolean() && json[field].get<bool>()) {
      fail({path, 0, field}, "is true, which is not supported");
    }
  }
  if (json.contains("bias") && json["bias"] != Json("none")) {
    fail({path, 0, "bias"}, "only \"none\" is supported");
  }
  for (const char* field : {"modules_to_save", "rank_pattern", "alpha_pattern", "trainable_token_indices"}) {
    if (json.contains(field) && !json[field].is_null() && !json[field].empty()) {
      fail({path, 0, field}, "is not empty, which is not supported");
    }
  }
}

AdapterOptions read_options(const Json& json, const std::string& path) {
  refuse_what_is_not_supported(json, path);
  AdapterOptions options;
  options.rank = json_int(json, "r", {path, 0, ""});
  options.alpha = json_number(json, "lora_alpha", {path, 0, ""});
  if (options.rank < 1 || options.rank > kMaxRank) {
    fail({path, 0, "r"}, fmt::format("a number from 1 to {} is wanted", kMaxRank));
  }
  if (!std::isfinite(options.alpha)) fail({path, 0, "lora_alpha"}, "a finite number is wanted");
  if (json.contains("lora_dropout") && !json["lora_dropout"].is_null()) {
    options.dropout = json_number(json, "lora_dropout", {path, 0, ""});
  }
  return options;
}

/// Of Rank-stabilised LoRA (Kalajdzievski 2023) alpha / sqrt(rank), else alpha / rank.
double update_scale(const Json& json, const AdapterOptions& options) {
  const auto rank = static_cast<double>(options.rank);
  const bool stabilised = json.contains("use_rslora") && json["use_rslora"].is_boolean() && json["use_rslora"];
  return options.alpha / (stabilised ? std::sqrt(rank) : rank);
}

at::Tensor take(std::map<std::string, at::Tensor>& tensors, const std::string& name, std::int64_t rows,
                std::int64_t columns, const std::string& path) {
  const auto found = tensors.find(kPrefix + name);
  if (found == tensors.end()) fail({path, 0, ""}, fmt::format("tensor {}{} is missing", kPrefix, name));
  at::Tensor tensor = found->second;
  if (tensor.dim() != 2 || tensor.size(0) != rows || tensor.size(1) != columns || !tensor.is_floating_point()) {
    fail({path, 0, ""}, fmt::format("tensor {}{} is not [{}, {}] numbers", kPrefix, name, rows, columns));
  }
  tensors.erase(found);
  return tensor.to(at::kFloat);
}

}  // namespace

std::vector<Projection> targets_in(const ModelConfig& config, const std::vector<Projection>& targets) {
  if (config.mixture.is_dense()) return targets;
  std::vector<Projection> result;
  for (const Projection projection : targets) {
    if (!is_feed_forward(projection)) {
      result.push_back(projection);
    } else if (targets.size() < kProjections) {
      throw Error(
          fmt::format("--targets {}: the experts of a mixture have no low-rank updates; q_proj, k_proj, v_proj and "
                      "o_proj can be targets, or all of the weights trained",
                      target_module(projection)));
    }
  }
  return result;
}

std::vector<LayerUpdates> new_updates(const ModelConfig& config, const AdapterOptions& options, std::uint64_t seed) {
  if (options.rank < 1 || options.rank > kMaxRank) {
    throw Error(fmt::format("the adapter's rank is {}; a number from 1 to {} is wanted", options.rank, kMaxRank));
  }
  if (!(options.dropout >= 0 && options.dropout < 1)) throw Error("the adapter's dropout is not in [0, 1)");
  if (!(std::isfinite(options.alpha) && options.alpha > 0)) throw Error("the adapter's alpha is not a positive number");
  std::vector<LayerUpdates> updates(static_cast<std::size_t>(config.num_hidden_layers));
  const std::vector<Projection> targets = targets_in(config, options.targets);
  for (std::size_t layer = 0; layer < updates.size(); ++layer) {
    for (const Projection projection : targets) {
      const auto [rows, columns] = weight_shape(config, projection);
      LowRankUpdate& update = updates[layer].at(static_cast<std::size_t>(projection));
      update.a = at::empty({options.rank, columns}, at::kFloat);
      update.b = at::zeros({rows, options.rank}, at::kFloat);
      update.scale = options.alpha / static_cast<double>(options.rank);
      update.dropout = options.dropout;
      Random random(seed, update_name(layer, projection, "lora_A"));
      const double deviation = 1 / std::sqrt(static_cast<double>(columns));
      auto* values = update.a.data_ptr<float>();
      for (std::int64_t i = 0; i < update.a.numel(); ++i) values[i] = static_cast<float>(random.normal() * deviation);
    }
  }
  return updates;
}

std::vector<std::pair<std::string, at::Tensor>> named_updates(const std::vector<LayerUpdates>& updates) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (std::size_t layer = 0; layer < updates.size(); ++layer) {
    for (std::size_t i = 0; i < kProjections; ++i) {
      const LowRankUpdate& update = updates[layer].at(i);
      if (!update.defined()) continue;
      tensors.emplace_back(update_name(layer, static_cast<Projection>(i), "lora_A"), update.a);
      tensors.emplace_back(update_name(layer, static_cast<Projection>(i), "lora_B"), update.b);
    }
  }
  return tensors;
}

Adapter read_adapter(const std::string& folder, const ModelConfig& config) {
  const std::string config_path = fs::path(folder) / kAdapterConfigName;
  const std::string path = fs::path(folder) / kWeightsName;
  const Json json = read_adapter_config(folder);
  Adapter adapter;
  adapter.options = read_options(json, config_path);
  adapter.updates.resize(static_cast<std::size_t>(config.num_hidden_layers));
  std::map<std::string, at::Tensor> tensors = read_safetensors(path);
  std::set<Projection> targets;
  for (std::size_t layer = 0; layer < adapter.updates.size(); ++layer) {
    for (std::size_t i = 0; i < kProjections; ++i) {
      const auto projection = static_cast<Projection>(i);
      if (!config.mixture.is_dense() && is_feed_forward(projection)) continue;
      if (tensors.count(kPrefix + update_name(layer, projection, "lora_A")) == 0) continue;
      const auto [rows, columns] = weight_shape(config, projection);
      LowRankUpdate& update = adapter.updates[layer].at(i);
      update.a = take(tensors, update_name(layer, projection, "lora_A"), adapter.options.rank, columns, path);
      update.b = take(tensors, update_name(layer, projection, "lora_B"), rows, adapter.options.rank, path);
      update.scale = update_scale(json, adapter.options);
      update.dropout = adapter.options.dropout;
      targets.insert(projection);
    }
  }
  if (!tensors.empty()) {
    fail({path, 0, ""}, fmt::format("tensor {} belongs to no layer of the model", tensors.begin()->first));
  }
  if (targets.empty()) fail({path, 0, ""}, "holds no update of any layer");
  adapter.options.targets.assign(targets.begin(), targets.end());
  if (json.contains("base_model_name_or_path") && json["base_model_name_or_path"].is_string()) {
    adapter.base = json["base_model_name_or_path"].get<std::string>();
  }
  return adapter;
}

void write_adapter(const std::string& folder, const Adapter& adapter, at::ScalarType type) {
  const fs::path to(folder);
  std::error_code error;
  fs::create_directories(to, error);
  if (error) fail({folder, 0, ""}, fmt::format("cannot make the folder: {}", error.message()));
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : named_updates(adapter.updates)) tensors[kPrefix + name] = tensor.detach().to(type);
  write_safetensors(to / kWeightsName, tensors, {{"format", "pt"}});
  Json json = {{"peft_type", "LORA"},
               {"task_type", "CAUSAL_LM"},
               {"base_model_name_or_path", adapter.base},
               {"r", adapter.options.rank},
               {"lora_alpha", adapter.options.alpha},
               {"lora_dropout", adapter.options.dropout},
               {"target_modules", Json::array()},
               {"bias", "none"},
               {"fan_in_fan_out", false},
               {"inference_mode", true},
               {"use_rslora", false},
               {"modules_to_save", nullptr}};
  for (const Projection target : adapter.options.targets) json["target_modules"].push_back(target_module(target));
  write_file_atomically(to / kAdapterConfigName, json.dump(2) + "\n");
}

void merge_adapter(Checkpoint& checkpoint, const Adapter& adapter) {
  for (std::size_t layer = 0; layer < adapter.updates.size(); ++layer) {
    for (std::size_t i = 0; i < kProjections; ++i) {
      const LowRankUpdate& update = adapter.updates[layer].at(i);
      if (!update.defined()) continue;
      const std::string name = fmt::format("model.layers.{}.{}.weight", layer, module_path(static_cast<Projection>(i)));
      at::Tensor& weight = checkpoint.tensors.at(name);
      weight = merged_weight(weight, update);
    }
  }
}

}  // namespace mathtrap

// Adapters on disk, in PEFT's layout: a folder with adapter_config.json and adapter_model.safetensors, which together
// hold low-rank updates (model/low_rank.h) of a base model's linear weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/adapter_options.h"
#include "model/checkpoint.h"
#include "model/low_rank.h"
#include "model/network.h"

namespace mathtrap {

struct Adapter {
  AdapterOptions options;
  std::string base;                   ///< base_model_name_or_path; may be empty
  std::vector<LayerUpdates> updates;  ///< by layer
};

/// Which of the wanted targets a model has: a mixture of experts has those of attention. Throws Error when others are
/// named, other than by naming all.
std::vector<Projection> targets_in(const ModelConfig& config, const std::vector<Projection>& targets);

/// Fresh updates for every layer of a model: A normal with deviation 1 / sqrt(in), B zero, so that the model at first
/// is its base. The same for a seed on every machine. Throws Error on options that make no adapter.
std::vector<LayerUpdates> new_updates(const ModelConfig& config, const AdapterOptions& options, std::uint64_t seed);

/// The updates' weights by their names without PEFT's prefix ("layers.0.self_attn.q_proj.lora_A.weight"), in a fixed
/// order. They share memory.
std::vector<std::pair<std::string, at::Tensor>> named_updates(const std::vector<LayerUpdates>& updates);

/// Reads an adapter made here or by PEFT for a model of this configuration. Throws Error naming the field or tensor:
/// another kind than LoRA, a feature that is not supported (DoRA, biases, whole modules, patterns of ranks), a tensor
/// of a wrong shape, or of a layer that the model does not have.
Adapter read_adapter(const std::string& folder, const ModelConfig& config);

/// Writes a folder as PEFT does, with weights of this type. Files appear whole or not, adapter_config.json last.
void write_adapter(const std::string& folder, const Adapter& adapter, at::ScalarType type);

/// Adds the updates to the checkpoint's weights; those that change become f32.
void merge_adapter(Checkpoint& checkpoint, const Adapter& adapter);

}  // namespace mathtrap

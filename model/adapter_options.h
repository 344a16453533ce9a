// What an adapter is made of, and which model it belongs to. Names no LibTorch type, so that the command line compiles
// without it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/json.h"

namespace mathtrap {

/// The linear weights of a layer that can have a low-rank update.
enum class Projection { query, key, value, output, gate, up, down };
constexpr std::size_t kProjections = 7;

/// "q_proj", …: what PEFT calls target modules.
std::string_view target_module(Projection projection);
/// The name behind "model.layers.N.": "self_attn.q_proj", …
std::string_view module_path(Projection projection);
/// "q_proj,v_proj", or "all". Throws Error naming the modules.
std::vector<Projection> parse_target_modules(const std::string& text);

struct AdapterOptions {
  std::int64_t rank = 16;
  double alpha = 32;   ///< updates are multiplied by alpha / rank
  double dropout = 0;  ///< probability that a feature of an update's input is left out, in training
  std::vector<Projection> targets;
};

inline constexpr const char* kAdapterConfigName = "adapter_config.json";

/// Whether a folder holds an adapter rather than a model.
bool is_adapter_folder(const std::string& path);

/// adapter_config.json of a folder. Throws Error when it cannot be read or is no JSON object.
Json read_adapter_config(const std::string& folder);

/// The path of the model that an adapter's folder names as its base: as --model would, or relative to the folder.
/// Throws Error when there is none, or when it is an adapter itself.
std::string adapter_base_path(const std::string& folder);

}  // namespace mathtrap

#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include "support/error.h"
#include "support/files.h"
#include "support/json.h"

namespace mathtrap {
namespace {

constexpr std::int64_t kMaxSize = std::int64_t{1} << 24;
constexpr std::int64_t kMaxProduct = std::int64_t{1} << 36;
constexpr std::int64_t kMaxLayers = 4096;
constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{1} << 20;

void check_size(std::int64_t size, std::int64_t largest, const char* field, const std::string& source) {
  if (size <= 0) fail({source, 0, field}, fmt::format("is {}, must be positive", size));
  if (size > largest) fail({source, 0, field}, fmt::format("is {}, at most {} is supported", size, largest));
}

void check_product(std::int64_t one, std::int64_t other, const char* fields, const std::string& source) {
  if (one > kMaxProduct / other) fail({source, 0, fields}, fmt::format("{} times {} is too large", one, other));
}

void check_positive(double value, const char* field, const std::string& source) {
  if (!std::isfinite(value) || value <= 0) fail({source, 0, field}, fmt::format("is {}, must be positive", value));
}

void check_token(std::int64_t token, const ModelConfig& config, const char* field, const std::string& source) {
  if (token < 0 || token >= config.vocab_size) {
    fail({source, 0, field}, fmt::format("is {}, outside the vocabulary of {}", token, config.vocab_size));
  }
}

void check_sizes(const ModelConfig& config, const std::string& source) {
  check_size(config.hidden_size, kMaxSize, "hidden_size", source);
  check_size(config.intermediate_size, kMaxSize, "intermediate_size", source);
  check_size(config.num_hidden_layers, kMaxLayers, "num_hidden_layers", source);
  check_size(config.num_attention_heads, kMaxSize, "num_attention_heads", source);
  check_size(config.num_key_value_heads, kMaxSize, "num_key_value_heads", source);
  check_size(config.head_dim, kMaxSize, "head_dim", source);
  check_size(config.vocab_size, kMaxSize, "vocab_size", source);
  check_size(config.max_position_embeddings, kMaxSize, "max_position_embeddings", source);
  check_product(config.hidden_size, config.intermediate_size, "hidden_size, intermediate_size", source);
  check_product(config.hidden_size, config.vocab_size, "hidden_size, vocab_size", source);
  check_product(config.num_attention_heads, config.head_dim, "num_attention_heads, head_dim", source);
  check_product(config.num_attention_heads * config.head_dim, config.hidden_size,
                "num_attention_heads, head_dim, hidden_size", source);
}

void check_rope_scaling(const RopeScaling& scaling, const std::string& source) {
  if (scaling.kind == RopeScalingKind::none) return;
  check_positive(scaling.factor, "rope_scaling.factor", source);
  if (scaling.kind != RopeScalingKind::llama3) return;
  check_positive(scaling.low_frequency_factor, "rope_scaling.low_freq_factor", source);
  check_positive(scaling.high_frequency_factor, "rope_scaling.high_freq_factor", source);
  if (scaling.high_frequency_factor <= scaling.low_frequency_factor) {
    fail({source, 0, "rope_scaling.high_freq_factor"}, "must be above low_freq_factor");
  }
  check_size(scaling.original_max_position_embeddings, kMaxSize, "rope_scaling.original_max_position_embeddings",
             source);
}

/// An optional field of config.json: absent and null are the same.
bool has(const Json& object, const char* field) {
  return object.contains(field) && !object.at(field).is_null();
}

std::int64_t int_or(const Json& object, const char* field, std::int64_t otherwise, const Place& place) {
  return has(object, field) ? json_int(object, field, place) : otherwise;
}

double number_or(const Json& object, const char* field, double otherwise, const Place& place) {
  return has(object, field) ? json_number(object, field, place) : otherwise;
}

bool bool_or(const Json& object, const char* field, bool otherwise, const Place& place) {
  return has(object, field) ? json_bool(object, field, place) : otherwise;
}

std::string string_or(const Json& object, const char* field, const char* otherwise, const Place& place) {
  return has(object, field) ? json_string(object, field, place) : otherwise;
}

/// What transformers' configuration class of an architecture assumes where a field is absent.
struct ArchitectureDefaults {
  Architecture architecture;
  const char* model_type;
  const char* class_name;
  std::int64_t num_key_value_heads;  ///< 0: as many as attention heads
  std::int64_t max_position_embeddings;
  std::int64_t sliding_window;
  std::int64_t first_windowed_layer;
  std::int64_t bos_token_id;
  std::int64_t eos_token_id;  ///< -1: none
};

constexpr ArchitectureDefaults kArchitectures[] = {
    {Architecture::llama, "llama", "LlamaForCausalLM", 0, 2048, 0, 0, 1, 2},
    {Architecture::mistral, "mistral", "MistralForCausalLM", 8, 131072, 4096, 0, 1, 2},
    {Architecture::qwen2, "qwen2", "Qwen2ForCausalLM", 32, 32768, 4096, 28, -1, -1},
    {Architecture::llama_moe, "llama_moe", "LlamaMoEForCausalLM", 0, 2048, 0, 0, 1, 2},
    {Architecture::mixtral, "mixtral", "MixtralForCausalLM", 8, 131072, 0, 0, 1, 2},
};

const ArchitectureDefaults& defaults_of(Architecture architecture) {
  return *std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                       [&](const ArchitectureDefaults& row) { return row.architecture == architecture; });
}

const ArchitectureDefaults& read_architecture(const Json& json, const Place& place) {
  const std::string type = json_string(json, "model_type", place);
  const auto* found = std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                                   [&](const ArchitectureDefaults& row) { return row.model_type == type; });
  if (found == std::end(kArchitectures)) {
    fail(place,
         fmt::format("model_type \"{}\" is not supported; llama, mistral, qwen2, llama_moe and mixtral are", type));
  }
  return *found;
}

/// What other models compute beside a LLaMA, and what forks write into a configuration of one.
constexpr const char* kUnsupported[] = {"attn_logit_softcapping", "final_logit_softcapping",
                                        "query_pre_attn_scalar",  "attention_multiplier",
                                        "embedding_multiplier",   "residual_multiplier",
                                        "logits_scaling",         "use_qk_norm",
                                        "qk_layernorm",           "alibi"};

/// Refuses what looks like a model of the architecture and computes something else.
void check_supported(const Json& json, const ArchitectureDefaults& defaults, const Place& place) {
  if (has(json, "architectures")) {
    const Json& names = json.at("architectures");
    if (!names.is_array() || names.size() != 1 || names.front() != defaults.class_name) {
      fail({place.file, 0, "architectures"},
           fmt::format("is {}, [\"{}\"] is supported", names.dump(), defaults.class_name));
    }
  }
  const std::string activation = string_or(json, "hidden_act", "silu", place);
  if (activation != "silu") {
    fail({place.file, 0, "hidden_act"}, fmt::format("\"{}\" is not supported, only silu is", activation));
  }
  if (bool_or(json, "mlp_bias", false, place)) fail({place.file, 0, "mlp_bias"}, "biases of the MLP are not supported");
  if (has(json, "quantization_config")) {
    fail({place.file, 0, "quantization_config"}, "quantised checkpoints in Hugging Face layout are not supported");
  }
  if (number_or(json, "partial_rotary_factor", 1, place) != 1) {
    fail({place.file, 0, "partial_rotary_factor"}, "only 1 is supported: rotary positions of the whole head");
  }
  for (const char* field : kUnsupported) {
    const bool is_set = has(json, field) && json.at(field) != false;
    if (is_set) fail({place.file, 0, field}, "is not supported: it must be absent, null or false");
  }
}

RopeScaling read_rope_scaling(const Json& json, const std::string& field, const Place& file) {
  const Place place{file.file, 0, field};
  if (!json.is_object()) fail(place, "a JSON object is wanted");
  const std::string kind =
      json.contains("rope_type") ? json_string(json, "rope_type", place) : string_or(json, "type", "default", place);
  RopeScaling scaling;
  if (kind == "default") return scaling;
  if (kind == "linear") {
    scaling.kind = RopeScalingKind::linear;
    scaling.factor = json_number(json, "factor", place);
    return scaling;
  }
  if (kind != "llama3") fail(place, fmt::format("\"{}\" is not supported; default, linear and llama3 are", kind));
  scaling.kind = RopeScalingKind::llama3;
  scaling.factor = json_number(json, "factor", place);
  scaling.low_frequency_factor = json_number(json, "low_freq_factor", place);
  scaling.high_frequency_factor = json_number(json, "high_freq_factor", place);
  scaling.original_max_position_embeddings = json_int(json, "original_max_position_embeddings", place);
  return scaling;
}

void read_rope(const Json& json, const Place& place, ModelConfig& config) {
  config.rope_theta = number_or(json, "rope_theta", config.rope_theta, place);
  // Newer releases of transformers write both theta and scaling into "rope_parameters".
  for (const char* field : {"rope_scaling", "rope_parameters"}) {
    if (!has(json, field)) continue;
    config.rope_scaling = read_rope_scaling(json.at(field), field, place);
    config.rope_theta = number_or(json.at(field), "rope_theta", config.rope_theta, {place.file, 0, field});
  }
}

/// Newer releases of transformers write what each layer is. Layers with a window must come last.
std::int64_t first_windowed_of(const Json& types, const ModelConfig& config, const Place& place) {
  if (!types.is_array() || static_cast<std::int64_t>(types.size()) != config.num_hidden_layers) {
    fail(place, fmt::format("a list of {} layers' types is wanted", config.num_hidden_layers));
  }
  std::int64_t first = config.num_hidden_layers;
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const Json& type = types[static_cast<std::size_t>(layer)];
    if (type == "sliding_attention") {
      first = std::min(first, layer);
    } else if (type != "full_attention") {
      fail(place, fmt::format("{} is not supported; full_attention and sliding_attention are", type.dump()));
    } else if (first < layer) {
      fail(place, "layers with a sliding window before layers without one are not supported");
    }
  }
  return first;
}

/// Which layers attend to a window of positions, and to how many.
void read_sliding_window(const Json& json, const ArchitectureDefaults& defaults, const Place& place,
                         ModelConfig& config) {
  const bool is_qwen2 = config.architecture == Architecture::qwen2;
  if (config.architecture == Architecture::llama || config.architecture == Architecture::llama_moe) return;
  if (is_qwen2 && !bool_or(json, "use_sliding_window", false, place)) return;
  // Null says that there is no window, absence that there is one of the usual size, where that is not none.
  if (json.contains("sliding_window") && !has(json, "sliding_window")) return;
  if (!json.contains("sliding_window") && defaults.sliding_window == 0) return;
  const std::int64_t window = int_or(json, "sliding_window", defaults.sliding_window, place);
  check_size(window, kMaxSize, "sliding_window", place.file);
  std::int64_t first = is_qwen2 ? int_or(json, "max_window_layers", defaults.first_windowed_layer, place) : 0;
  if (has(json, "layer_types")) {
    const Place types{place.file, 0, "layer_types"};
    if (!is_qwen2) fail(types, "is not supported for a Mistral, whose layers are all alike");
    first = first_windowed_of(json.at("layer_types"), config, types);
  }
  if (first >= config.num_hidden_layers) return;
  config.sliding_window = window;
  config.first_windowed_layer = first;
}

void read_biases(const Json& json, const Place& place, ModelConfig& config) {
  const bool biases = bool_or(json, "attention_bias", false, place);
  switch (config.architecture) {
    case Architecture::llama:
      config.query_key_value_bias = biases;
      config.attention_output_bias = biases;
      return;
    case Architecture::mistral:
    case Architecture::llama_moe:
    case Architecture::mixtral:
      if (biases) {
        fail({place.file, 0, "attention_bias"},
             fmt::format("biases of a {} are not supported", defaults_of(config.architecture).model_type));
      }
      return;
    case Architecture::qwen2:
      config.query_key_value_bias = true;
      return;
  }
}

void read_special_tokens(const Json& json, const ArchitectureDefaults& defaults, const Place& place,
                         ModelConfig& config) {
  config.bos_token_id = defaults.bos_token_id;
  config.eos_token_ids.clear();
  if (defaults.eos_token_id >= 0) config.eos_token_ids.push_back(defaults.eos_token_id);
  // A Qwen2 names a token that begins a text, and was trained on texts without it.
  const bool has_bos = config.architecture != Architecture::qwen2;
  if (has_bos && json.contains("bos_token_id")) config.bos_token_id = int_or(json, "bos_token_id", -1, place);
  if (!json.contains("eos_token_id")) return;
  config.eos_token_ids.clear();
  const Json& end = json.at("eos_token_id");
  if (end.is_null()) return;
  if (!end.is_array()) {
    config.eos_token_ids.push_back(json_int(json, "eos_token_id", place));
    return;
  }
  for (const Json& token : end) {
    if (!token.is_number_integer()) fail({place.file, 0, "eos_token_id"}, "holds something that is not a token id");
    config.eos_token_ids.push_back(token.get<std::int64_t>());
  }
}

void read_mixture(const Json& json, const Place& place, ModelConfig& config) {
  const std::int64_t layers = config.num_hidden_layers;
  if (config.architecture == Architecture::llama_moe) {
    config.mixture = read_llama_moe(json, layers, config.intermediate_size, place);
  } else if (config.architecture == Architecture::mixtral) {
    config.mixture = read_mixtral(json, layers, config.intermediate_size, place);
  }
}

std::string read_dtype(const Json& json, const Place& place) {
  const char* field = has(json, "torch_dtype") ? "torch_dtype" : "dtype";  // renamed in transformers 4.56
  std::string dtype = string_or(json, field, "float32", place);
  if (dtype != "float32" && dtype != "bfloat16" && dtype != "float16") {
    fail({place.file, 0, field}, fmt::format("\"{}\" is not float32, bfloat16 or float16", dtype));
  }
  return dtype;
}

Json rope_scaling_json(const RopeScaling& scaling) {
  switch (scaling.kind) {
    case RopeScalingKind::none:
      return nullptr;
    case RopeScalingKind::linear:
      // The old name of the field, and nothing else beside it: transformers 4.31 refuses more.
      return {{"type", "linear"}, {"factor", scaling.factor}};
    case RopeScalingKind::llama3:
      return {{"rope_type", "llama3"},
              {"factor", scaling.factor},
              {"low_freq_factor", scaling.low_frequency_factor},
              {"high_freq_factor", scaling.high_frequency_factor},
              {"original_max_position_embeddings", scaling.original_max_position_embeddings}};
  }
  return nullptr;
}

/// What only some architectures have.
Json architecture_json(const ModelConfig& config) {
  const Json window = config.sliding_window == 0 ? Json(nullptr) : Json(config.sliding_window);
  switch (config.architecture) {
    case Architecture::llama:
      return {{"attention_bias", config.query_key_value_bias}, {"mlp_bias", false}};
    case Architecture::llama_moe:
      return llama_moe_json(config.mixture);
    case Architecture::mixtral: {
      Json json = mixtral_json(config.mixture);
      json["sliding_window"] = window;
      return json;
    }
    case Architecture::mistral:
      return {{"sliding_window", window}};
    case Architecture::qwen2:
      return {
          {"use_sliding_window", config.sliding_window != 0},
          {"sliding_window", window},
          {"max_window_layers", config.sliding_window == 0 ? config.num_hidden_layers : config.first_windowed_layer}};
  }
  return Json::object();
}

Json eos_json(const std::vector<std::int64_t>& ids) {
  if (ids.empty()) return nullptr;
  return ids.size() == 1 ? Json(ids.front()) : Json(ids);
}

}  // namespace

void check_config(const ModelConfig& config, const std::string& source) {
  check_sizes(config, source);
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    fail({source, 0, "num_key_value_heads"}, fmt::format("{} does not divide the {} attention heads",
                                                         config.num_key_value_heads, config.num_attention_heads));
  }
  if (config.head_dim % 2 != 0) fail({source, 0, "head_dim"}, fmt::format("is {}, must be even", config.head_dim));
  check_positive(config.rms_norm_eps, "rms_norm_eps", source);
  check_positive(config.rope_theta, "rope_theta", source);
  check_rope_scaling(config.rope_scaling, source);
  if (config.sliding_window != 0) check_size(config.sliding_window, kMaxSize, "sliding_window", source);
  if (config.first_windowed_layer < 0) {
    fail({source, 0, "max_window_layers"}, fmt::format("is {}, must not be negative", config.first_windowed_layer));
  }
  check_mixture(config.mixture, config.num_hidden_layers, source);
  if (config.bos_token_id != -1) check_token(config.bos_token_id, config, "bos_token_id", source);
  for (const std::int64_t token : config.eos_token_ids) check_token(token, config, "eos_token_id", source);
}

ModelConfig read_hugging_face_config(const std::string& path) {
  const Place place{path, 0, ""};
  const Json json = parse_json(read_file(path, kMaxConfigBytes), place);
  if (!json.is_object()) fail(place, "a JSON object is wanted");
  const ArchitectureDefaults& defaults = read_architecture(json, place);
  check_supported(json, defaults, place);
  ModelConfig config;
  config.architecture = defaults.architecture;
  config.hidden_size = json_int(json, "hidden_size", place);
  config.intermediate_size = json_int(json, "intermediate_size", place);
  config.num_hidden_layers = json_int(json, "num_hidden_layers", place);
  config.num_attention_heads = json_int(json, "num_attention_heads", place);
  // Null is what configurations older than grouped queries say.
  const bool is_grouped = defaults.num_key_value_heads != 0 && !json.contains("num_key_value_heads");
  config.num_key_value_heads = is_grouped ? defaults.num_key_value_heads
                                          : int_or(json, "num_key_value_heads", config.num_attention_heads, place);
  config.vocab_size = json_int(json, "vocab_size", place);
  if (has(json, "head_dim")) {
    config.head_dim = json_int(json, "head_dim", place);
  } else {
    check_size(config.num_attention_heads, kMaxSize, "num_attention_heads", path);
    if (config.hidden_size % config.num_attention_heads != 0) {
      fail({path, 0, "num_attention_heads"}, fmt::format("{} does not divide hidden_size {}, and head_dim is not given",
                                                         config.num_attention_heads, config.hidden_size));
    }
    config.head_dim = config.hidden_size / config.num_attention_heads;
  }
  config.max_position_embeddings = int_or(json, "max_position_embeddings", defaults.max_position_embeddings, place);
  config.rms_norm_eps = number_or(json, "rms_norm_eps", 1e-6, place);
  config.tie_word_embeddings = bool_or(json, "tie_word_embeddings", false, place);
  if (config.architecture == Architecture::mixtral) config.rope_theta = 1e6;
  read_rope(json, place, config);
  read_biases(json, place, config);
  read_sliding_window(json, defaults, place, config);
  read_special_tokens(json, defaults, place, config);
  config.torch_dtype = read_dtype(json, place);
  check_sizes(config, path);
  read_mixture(json, place, config);
  check_config(config, path);
  return config;
}

std::string write_hugging_face_config(const ModelConfig& config) {
  const ArchitectureDefaults& defaults = defaults_of(config.architecture);
  Json json = {
      {"architectures", Json::array({defaults.class_name})},
      {"model_type", defaults.model_type},
      {"hidden_size", config.hidden_size},
      {"intermediate_size", config.intermediate_size},
      {"num_hidden_layers", config.num_hidden_layers},
      {"num_attention_heads", config.num_attention_heads},
      {"num_key_value_heads", config.num_key_value_heads},
      {"head_dim", config.head_dim},
      {"vocab_size", config.vocab_size},
      {"max_position_embeddings", config.max_position_embeddings},
      {"rms_norm_eps", config.rms_norm_eps},
      {"rope_theta", config.rope_theta},
      {"rope_scaling", rope_scaling_json(config.rope_scaling)},
      {"hidden_act", "silu"},
      {"tie_word_embeddings", config.tie_word_embeddings},
      {"bos_token_id", config.bos_token_id < 0 ? Json(nullptr) : Json(config.bos_token_id)},
      {"eos_token_id", eos_json(config.eos_token_ids)},
      {"torch_dtype", config.torch_dtype},
  };
  json.update(architecture_json(config));
  return json.dump(2) + "\n";
}

}  // namespace mathtrap

#include "model/meta_checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <utility>

#include "model/weights.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"
#include "support/log.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

using Tensors = std::map<std::string, at::Tensor>;

constexpr const char* kEmbedding = "tok_embeddings.weight";
constexpr const char* kFrequencies = "rope.freqs";
constexpr std::string_view kLayers = "layers.";
constexpr std::uint64_t kMaxParamsBytes = std::uint64_t{1} << 20;

struct Renamed {
  std::string_view meta;
  std::string_view hugging_face;
};

constexpr std::array kOutsideLayers = {
    Renamed{kEmbedding, "model.embed_tokens.weight"},
    Renamed{"norm.weight", "model.norm.weight"},
    Renamed{"output.weight", "lm_head.weight"},
};

/// Behind "layers.N." and "model.layers.N.".
constexpr std::array kInLayers = {
    Renamed{"attention.wq.weight", "self_attn.q_proj.weight"},
    Renamed{"attention.wk.weight", "self_attn.k_proj.weight"},
    Renamed{"attention.wv.weight", "self_attn.v_proj.weight"},
    Renamed{"attention.wo.weight", "self_attn.o_proj.weight"},
    Renamed{"attention_norm.weight", "input_layernorm.weight"},
    Renamed{"ffn_norm.weight", "post_attention_layernorm.weight"},
    Renamed{"feed_forward.w1.weight", "mlp.gate_proj.weight"},
    Renamed{"feed_forward.w2.weight", "mlp.down_proj.weight"},
    Renamed{"feed_forward.w3.weight", "mlp.up_proj.weight"},
};

struct LayerName {
  std::int64_t layer = -1;  ///< -1: not of a layer
  std::string_view rest;
};

LayerName split_layer(std::string_view name) {
  LayerName split;
  if (!name.starts_with(kLayers)) return split;
  const char* begin = name.data() + kLayers.size();
  const char* end = name.data() + name.size();
  std::int64_t layer = 0;
  const auto [stopped, error] = std::from_chars(begin, end, layer);
  constexpr std::int64_t kMostLayers = 1 << 20;
  if (error != std::errc() || stopped == end || *stopped != '.' || layer < 0 || layer > kMostLayers) return split;
  split.layer = layer;
  split.rest = {stopped + 1, static_cast<std::size_t>(end - stopped - 1)};
  return split;
}

/// A name that is not known stays as it is, for check_weights to refuse.
std::string hugging_face_name(const std::string& name) {
  const auto in = [](const auto& table, std::string_view wanted) {
    const auto* found =
        std::find_if(table.begin(), table.end(), [&](const Renamed& row) { return row.meta == wanted; });
    return found == table.end() ? std::string_view() : found->hugging_face;
  };
  const LayerName split = split_layer(name);
  const std::string_view renamed = split.layer < 0 ? in(kOutsideLayers, name) : in(kInLayers, split.rest);
  if (renamed.empty()) return name;
  return split.layer < 0 ? std::string(renamed) : fmt::format("model.layers.{}.{}", split.layer, renamed);
}

/// The rows of a tensor [rows, hidden] that every such checkpoint has.
std::int64_t rows_of(const Tensors& tensors, const std::string& name, const std::string& path) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) fail({path, 0, name}, "the tensor is missing");
  if (found->second.dim() != 2) fail({path, 0, name}, "a tensor of two dimensions is wanted");
  return found->second.size(0);
}

/// The largest head size up to LLaMA's 128 that leaves four heads or more.
std::int64_t guess_head_dim(std::int64_t hidden, std::int64_t key_rows, const std::string& path) {
  constexpr std::int64_t kLargest = 128;
  constexpr std::int64_t kFewestHeads = 4;
  for (std::int64_t head_dim = kLargest; head_dim >= 2; head_dim /= 2) {
    if (hidden % head_dim != 0 || key_rows % head_dim != 0 || hidden / head_dim < kFewestHeads) continue;
    warn(fmt::format("{}: no params.json beside it says how many heads there are: {} of size {} are assumed", path,
                     hidden / head_dim, head_dim));
    return head_dim;
  }
  fail({path, 0, ""}, "the number of heads cannot be told: params.json with n_heads belongs beside it");
}

Json read_params(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return Json::object();
  Json params = parse_json(read_file(path, kMaxParamsBytes), {path, 0, ""});
  if (!params.is_object()) fail({path, 0, ""}, "a JSON object is wanted");
  return params;
}

bool has(const Json& params, const char* field) {
  return params.contains(field) && !params.at(field).is_null();
}

/// params.json may repeat what the tensors say; then both agree.
void check_same(const Json& params, const char* field, std::int64_t size, const Place& place) {
  if (!has(params, field)) return;
  const std::int64_t stated = json_int(params, field, place);
  // LLaMA 2's files say vocab_size -1: the tokenizer's.
  if (stated != size && stated != -1) {
    fail({place.file, 0, field}, fmt::format("is {}, the weights say {}", stated, size));
  }
}

std::int64_t read_head_dim(const Tensors& tensors, const Json& params, const ModelConfig& config, std::int64_t key_rows,
                           const Place& params_place, const std::string& path) {
  if (has(params, "n_heads")) {
    const std::int64_t heads = json_int(params, "n_heads", params_place);
    if (heads <= 0 || config.hidden_size % heads != 0) {
      fail({params_place.file, 0, "n_heads"}, fmt::format("{} does not divide {}", heads, config.hidden_size));
    }
    return config.hidden_size / heads;
  }
  const auto frequencies = tensors.find(kFrequencies);
  if (frequencies != tensors.end()) return 2 * frequencies->second.numel();
  return guess_head_dim(config.hidden_size, key_rows, path);
}

ModelConfig make_config(const Tensors& tensors, const std::string& path) {
  const fs::path params_path = fs::path(path).parent_path() / "params.json";
  const Json params = read_params(params_path);
  const Place place{params_path, 0, ""};
  if (has(params, "use_scaled_rope") && json_bool(params, "use_scaled_rope", place)) {
    fail({place.file, 0, "use_scaled_rope"},
         "is not supported in Meta's format: use the Hugging Face folder or a GGUF");
  }
  ModelConfig config;
  config.vocab_size = rows_of(tensors, kEmbedding, path);
  config.hidden_size = tensors.at(kEmbedding).size(1);
  config.intermediate_size = rows_of(tensors, "layers.0.feed_forward.w1.weight", path);
  const std::int64_t query_rows = rows_of(tensors, "layers.0.attention.wq.weight", path);
  const std::int64_t key_rows = rows_of(tensors, "layers.0.attention.wk.weight", path);
  for (const auto& [name, tensor] : tensors) {
    config.num_hidden_layers = std::max(config.num_hidden_layers, split_layer(name).layer + 1);
  }
  config.head_dim = read_head_dim(tensors, params, config, key_rows, place, path);
  if (config.head_dim <= 0 || query_rows % config.head_dim != 0 || key_rows % config.head_dim != 0) {
    fail({path, 0, ""},
         fmt::format("queries of {} and keys of {} are no whole heads of {}", query_rows, key_rows, config.head_dim));
  }
  config.num_attention_heads = query_rows / config.head_dim;
  config.num_key_value_heads = key_rows / config.head_dim;
  check_same(params, "dim", config.hidden_size, place);
  check_same(params, "n_layers", config.num_hidden_layers, place);
  check_same(params, "n_kv_heads", config.num_key_value_heads, place);
  check_same(params, "vocab_size", config.vocab_size, place);
  config.max_position_embeddings = has(params, "max_seq_len") ? json_int(params, "max_seq_len", place) : 2048;
  if (has(params, "norm_eps")) config.rms_norm_eps = json_number(params, "norm_eps", place);
  if (has(params, "rope_theta")) config.rope_theta = json_number(params, "rope_theta", place);
  check_config(config, path);
  return config;
}

}  // namespace

bool has_meta_names(const std::map<std::string, at::Tensor>& tensors) {
  return tensors.contains(kEmbedding);
}

Checkpoint make_meta_checkpoint(const SharedFile& file, std::map<std::string, at::Tensor> tensors,
                                const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.source = path;
  checkpoint.config = make_config(tensors, path);
  tensors.erase(kFrequencies);
  for (const auto& [name, tensor] : tensors) checkpoint.tensors.emplace(hugging_face_name(name), tensor);
  check_weights(checkpoint);
  use_rotary_halves(file, checkpoint);
  return checkpoint;
}

}  // namespace mathtrap

#include "model/gguf.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

#include "model/gguf_header.h"
#include "model/gguf_metadata.h"
#include "model/mapped_tensor.h"
#include "model/rotary.h"
#include "model/weights.h"
#include "support/error.h"

namespace mathtrap {
namespace {

constexpr std::string_view kRopeDivisors = "rope_freqs.weight";

struct Renamed {
  std::string_view gguf;
  std::string_view hugging_face;
};

constexpr std::array kOutsideLayers = {
    Renamed{"token_embd.weight", "model.embed_tokens.weight"},
    Renamed{"output_norm.weight", "model.norm.weight"},
    Renamed{"output.weight", "lm_head.weight"},
};

/// Behind "blk.N." and "model.layers.N.".
constexpr std::array kInLayers = {
    Renamed{"attn_norm.weight", "input_layernorm.weight"},
    Renamed{"attn_q.weight", "self_attn.q_proj.weight"},
    Renamed{"attn_k.weight", "self_attn.k_proj.weight"},
    Renamed{"attn_v.weight", "self_attn.v_proj.weight"},
    Renamed{"attn_output.weight", "self_attn.o_proj.weight"},
    Renamed{"attn_q.bias", "self_attn.q_proj.bias"},
    Renamed{"attn_k.bias", "self_attn.k_proj.bias"},
    Renamed{"attn_v.bias", "self_attn.v_proj.bias"},
    Renamed{"attn_output.bias", "self_attn.o_proj.bias"},
    Renamed{"ffn_norm.weight", "post_attention_layernorm.weight"},
    Renamed{"ffn_gate.weight", "mlp.gate_proj.weight"},
    Renamed{"ffn_up.weight", "mlp.up_proj.weight"},
    Renamed{"ffn_down.weight", "mlp.down_proj.weight"},
};

/// A name that is not a LLaMA's stays as it is, for check_weights to refuse.
std::string hugging_face_name(std::string_view name) {
  constexpr std::string_view kLayer = "blk.";
  const auto in = [](const auto& table, std::string_view wanted) {
    const auto* found =
        std::find_if(table.begin(), table.end(), [&](const Renamed& row) { return row.gguf == wanted; });
    return found == table.end() ? std::string_view() : found->hugging_face;
  };
  if (!name.starts_with(kLayer)) {
    const std::string_view renamed = in(kOutsideLayers, name);
    return std::string(renamed.empty() ? name : renamed);
  }
  const std::string_view rest = name.substr(kLayer.size());
  const std::size_t dot = rest.find('.');
  const std::string_view renamed = dot == rest.npos ? std::string_view() : in(kInLayers, rest.substr(dot + 1));
  if (renamed.empty()) return std::string(name);
  return fmt::format("model.layers.{}.{}", rest.substr(0, dot), renamed);
}

/// A tensor of blocks as f32, its blocks shared among threads.
at::Tensor dequantise(const GgufTensor& tensor, const BlockFormat& format) {
  constexpr std::int64_t kElementsPerTask = 1 << 14;
  at::Tensor result = at::empty(tensor.shape, at::kFloat);
  auto* const values = result.data_ptr<float>();
  const auto* const blocks = reinterpret_cast<const std::uint8_t*>(tensor.bytes.data());
  at::parallel_for(0, result.numel() / format.elements, kElementsPerTask / format.elements,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t block = begin; block < end; ++block) {
                       format.dequantise(blocks + block * format.bytes, values + block * format.elements);
                     }
                   });
  return result;
}

at::Tensor read_tensor(const SharedFile& file, const GgufTensor& tensor) {
  switch (tensor.type) {
    case GgufTensorType::f32:
      return mapped_tensor(file, tensor.bytes, tensor.shape, at::kFloat);
    case GgufTensorType::f16:
      return mapped_tensor(file, tensor.bytes, tensor.shape, at::kHalf);
    case GgufTensorType::bf16:
      return mapped_tensor(file, tensor.bytes, tensor.shape, at::kBFloat16);
    default:
      break;
  }
  at::Tensor values = dequantise(tensor, block_format(tensor.type));
  release_pages(file, tensor.bytes);
  return values;
}

/// GGUF stores Llama 3.1's scaling as what each rotary frequency is divided by. Finds the scaling's parameters again:
/// the low frequencies are divided by its factor, the others are the same in all published models.
RopeScaling recognise_llama3(const GgufTensor& divisors, const ModelConfig& config, const Place& place) {
  constexpr double kTolerance = 1e-3;
  ModelConfig scaled = config;
  scaled.rope_scaling = {RopeScalingKind::llama3, 1, 1, 4, config.rope_scaling.original_max_position_embeddings};
  std::vector<float> stored(static_cast<std::size_t>(config.head_dim / 2));
  if (divisors.type != GgufTensorType::f32 || divisors.bytes.size() != stored.size() * sizeof(float)) {
    fail(place, fmt::format("has shape {}, {} f32 values are wanted", shape_text(divisors.shape), stored.size()));
  }
  std::memcpy(stored.data(), divisors.bytes.data(), divisors.bytes.size());
  scaled.rope_scaling.factor = *std::max_element(stored.begin(), stored.end());
  check_config(scaled, place.file);
  const std::vector<double> plain_frequencies = rotary_frequencies(config);
  const std::vector<double> scaled_frequencies = rotary_frequencies(scaled);
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const double expected = plain_frequencies[i] / scaled_frequencies[i];
    if (!(std::abs(stored[i] / expected - 1) < kTolerance)) fail(place, "is another rotary scaling than Llama 3.1's");
  }
  return scaled.rope_scaling;
}

}  // namespace

Checkpoint read_gguf(const std::string& path) {
  const SharedFile file = share_file(path);
  const GgufHeader header = read_gguf_header(file->bytes(), path);
  Checkpoint checkpoint;
  checkpoint.source = path;
  checkpoint.config = read_gguf_config(header, path);
  checkpoint.tokenizer_model = read_gguf_vocabulary(header, path);
  for (const GgufTensor& tensor : header.tensors) {
    const Place place{path, 0, tensor.name};
    if (tensor.name == kRopeDivisors) {
      checkpoint.config.rope_scaling = recognise_llama3(tensor, checkpoint.config, place);
    } else if (!checkpoint.tensors.emplace(hugging_face_name(tensor.name), read_tensor(file, tensor)).second) {
      fail(place, "the tensor is there twice");
    }
  }
  check_weights(checkpoint);
  // A Qwen2's rotary pairs lie apart in GGUF too.
  if (checkpoint.config.architecture != Architecture::qwen2) use_rotary_halves(file, checkpoint);
  return checkpoint;
}

std::string read_gguf_vocabulary(const std::string& path) {
  const SharedFile file = share_file(path);
  return read_gguf_vocabulary(read_gguf_header(file->bytes(), path), path);
}

}  // namespace mathtrap

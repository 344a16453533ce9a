#include "tests/model/gguf_writer.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <regex>

#include "model/rotary.h"
#include "tests/model/byte_writer.h"
#include "tests/model/scratch.h"

namespace mathtrap {
namespace {

constexpr std::size_t kAlignment = 32;

std::string gguf_name(const std::string& name) {
  static const std::vector<std::pair<std::string, std::string>> renamed = {
      {"model.embed_tokens", "token_embd"},
      {"model.norm", "output_norm"},
      {"lm_head", "output"},
      {"model.layers.", "blk."},
      {"input_layernorm", "attn_norm"},
      {"post_attention_layernorm", "ffn_norm"},
      {"self_attn.q_proj", "attn_q"},
      {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"},
      {"self_attn.o_proj", "attn_output"},
      {"mlp.gate_proj", "ffn_gate"},
      {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"},
  };
  std::string result = name;
  for (const auto& [from, to] : renamed) {
    const std::size_t at = result.find(from);
    if (at != std::string::npos) result.replace(at, from.size(), to);
  }
  return result;
}

/// From halves to neighbours, of a weight or a bias: row 2 * i + part of a head is row part * head_dim / 2 + i of
/// Hugging Face's.
at::Tensor interleave(const at::Tensor& weight, std::int64_t heads) {
  at::Tensor result = at::empty_like(weight);
  const std::int64_t head_dim = weight.size(0) / heads;
  for (std::int64_t row = 0; row < weight.size(0); ++row) {
    const std::int64_t in_head = row % head_dim;
    const std::int64_t from = row - in_head + in_head % 2 * (head_dim / 2) + in_head / 2;
    result.select(0, row).copy_(weight.select(0, from));
  }
  return result;
}

std::string quantise_q8(const at::Tensor& values) {
  ByteWriter writer;
  const at::Tensor flat = values.to(at::kFloat).contiguous().view({-1, 32});
  for (std::int64_t block = 0; block < flat.size(0); ++block) {
    const at::Tensor row = flat[block];
    const c10::Half scale(row.abs().max().item<float>() / 127);
    writer.number(scale.x);
    for (std::int64_t i = 0; i < 32; ++i) {
      writer.number(static_cast<std::int8_t>(std::lround(row[i].item<float>() / static_cast<float>(scale))));
    }
  }
  return writer.bytes();
}

std::string tensor_bytes(const at::Tensor& tensor, GgufTensorType type) {
  if (type == GgufTensorType::q8_0) return quantise_q8(tensor);
  at::ScalarType scalar = at::kFloat;
  if (type == GgufTensorType::f16) scalar = at::kHalf;
  if (type == GgufTensorType::bf16) scalar = at::kBFloat16;
  const at::Tensor stored = tensor.to(scalar).contiguous();
  return {static_cast<const char*>(stored.data_ptr()), stored.nbytes()};
}

template <typename T>
std::string numbers(GgufType type, const std::vector<T>& values) {
  ByteWriter writer;
  writer.number(GgufType::array).number(type).number(std::uint64_t{values.size()});
  for (const T value : values) writer.number(value);
  return writer.bytes();
}

/// Pieces of one byte each, or, where the model has no room for them, of no meaning.
void add_vocabulary(GgufFile& file, std::int64_t size) {
  std::vector<std::string> texts = {"<unk>", "<s>", "</s>"};
  std::vector<std::int32_t> types = {2, 3, 3};
  const bool bytes = size >= 3 + 256;
  while (static_cast<std::int64_t>(texts.size()) < std::min<std::int64_t>(size, 3 + 256)) {
    texts.push_back(bytes ? fmt::format("<0x{:02X}>", texts.size() - 3) : fmt::format("piece{}", texts.size()));
    types.push_back(bytes ? 6 : 1);
  }
  file.set("tokenizer.ggml.model", gguf_string("llama"));
  file.set("tokenizer.ggml.tokens", gguf_strings(texts));
  file.set("tokenizer.ggml.scores", numbers(GgufType::float32, std::vector<float>(texts.size())));
  file.set("tokenizer.ggml.token_type", numbers(GgufType::int32, types));
  file.set("tokenizer.ggml.bos_token_id", gguf_u32(1));
  file.set("tokenizer.ggml.eos_token_id", gguf_u32(2));
}

void add_configuration(GgufFile& file, const ModelConfig& config) {
  // A Mistral is a llama here.
  const std::string prefix = config.architecture == Architecture::qwen2 ? "qwen2." : "llama.";
  const auto size = [&](const std::string& key, std::int64_t value) {
    file.set(prefix + key, gguf_u32(static_cast<std::uint32_t>(value)));
  };
  file.set("general.architecture", gguf_string(prefix.substr(0, prefix.size() - 1)));
  size("embedding_length", config.hidden_size);
  size("feed_forward_length", config.intermediate_size);
  size("block_count", config.num_hidden_layers);
  size("context_length", config.max_position_embeddings);
  size("attention.head_count", config.num_attention_heads);
  size("attention.head_count_kv", config.num_key_value_heads);
  size("attention.key_length", config.head_dim);
  file.set(prefix + "attention.layer_norm_rms_epsilon", gguf_f32(static_cast<float>(config.rms_norm_eps)));
  file.set(prefix + "rope.freq_base", gguf_f32(static_cast<float>(config.rope_theta)));
  if (config.sliding_window != 0) size("attention.sliding_window", config.sliding_window);
  if (config.rope_scaling.kind == RopeScalingKind::linear) {
    file.set(prefix + "rope.scaling.type", gguf_string("linear"));
    file.set(prefix + "rope.scaling.factor", gguf_f32(static_cast<float>(config.rope_scaling.factor)));
  }
}

/// What Llama 3.1's scaling divides each frequency by.
void add_rotary_divisors(GgufFile& file, const ModelConfig& config) {
  if (config.rope_scaling.kind != RopeScalingKind::llama3) return;
  ModelConfig plain = config;
  plain.rope_scaling = {};
  file.set("llama.rope.scaling.original_context_length",
           gguf_u32(static_cast<std::uint32_t>(config.rope_scaling.original_max_position_embeddings)));
  const std::vector<double> before = rotary_frequencies(plain);
  const std::vector<double> after = rotary_frequencies(config);
  ByteWriter divisors;
  for (std::size_t i = 0; i < before.size(); ++i) divisors.number(static_cast<float>(before[i] / after[i]));
  file.tensors.push_back({"rope_freqs.weight", GgufTensorType::f32, {before.size()}, divisors.bytes()});
}

}  // namespace

std::string GgufFile::bytes() const {
  ByteWriter writer;
  writer.text("GGUF").number(version).number(std::uint64_t{tensors.size()}).number(std::uint64_t{metadata.size()});
  for (const auto& [key, stored] : metadata) writer.number(std::uint64_t{key.size()}).text(key).text(stored);
  std::uint64_t offset = 0;
  for (const GgufFileTensor& tensor : tensors) {
    writer.number(std::uint64_t{tensor.name.size()}).text(tensor.name);
    writer.number(static_cast<std::uint32_t>(tensor.sizes.size()));
    for (const std::uint64_t size : tensor.sizes) writer.number(size);
    writer.number(tensor.type).number(offset);
    offset = (offset + tensor.bytes.size() + kAlignment - 1) / kAlignment * kAlignment;
  }
  for (const GgufFileTensor& tensor : tensors) writer.pad(kAlignment).text(tensor.bytes);
  return writer.bytes();
}

void GgufFile::set(const std::string& key, const std::string& stored) {
  for (auto& [existing, value] : metadata) {
    if (existing == key) {
      value = stored;
      return;
    }
  }
  metadata.emplace_back(key, stored);
}

void GgufFile::remove(const std::string& key) {
  std::erase_if(metadata, [&](const auto& entry) { return entry.first == key; });
}

std::string gguf_u32(std::uint32_t value) {
  return ByteWriter().number(GgufType::uint32).number(value).bytes();
}
std::string gguf_f32(float value) {
  return ByteWriter().number(GgufType::float32).number(value).bytes();
}
std::string gguf_bool(bool value) {
  return ByteWriter().number(GgufType::boolean).number(static_cast<std::uint8_t>(value)).bytes();
}
std::string gguf_string(std::string_view text) {
  return ByteWriter().number(GgufType::string).number(std::uint64_t{text.size()}).text(text).bytes();
}

std::string gguf_strings(const std::vector<std::string>& texts) {
  ByteWriter writer;
  writer.number(GgufType::array).number(GgufType::string).number(std::uint64_t{texts.size()});
  for (const std::string& text : texts) writer.number(std::uint64_t{text.size()}).text(text);
  return writer.bytes();
}

GgufFile gguf_of(const Checkpoint& checkpoint, GgufTensorType matrices) {
  GgufFile file;
  add_configuration(file, checkpoint.config);
  add_vocabulary(file, checkpoint.config.vocab_size);
  for (const auto& [name, tensor] : checkpoint.tensors) {
    at::Tensor laid_out = tensor;
    const bool neighbours = checkpoint.config.architecture != Architecture::qwen2;
    if (neighbours && contains(name, "q_proj")) laid_out = interleave(tensor, checkpoint.config.num_attention_heads);
    if (neighbours && contains(name, "k_proj")) laid_out = interleave(tensor, checkpoint.config.num_key_value_heads);
    GgufFileTensor stored;
    stored.name = gguf_name(name);
    stored.type = tensor.dim() == 2 ? matrices : GgufTensorType::f32;
    stored.sizes.assign(tensor.sizes().rbegin(), tensor.sizes().rend());
    stored.bytes = tensor_bytes(laid_out, stored.type);
    file.tensors.push_back(std::move(stored));
  }
  add_rotary_divisors(file, checkpoint.config);
  return file;
}

}  // namespace mathtrap

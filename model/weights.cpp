#include "model/weights.h"

#include <fmt/format.h>

#include <set>
#include <string_view>
#include <utility>

#include "model/mapped_tensor.h"
#include "model/mixture_weights.h"
#include "support/error.h"

namespace mathtrap {
namespace {

/// Tensors that older releases of transformers stored and that are computed here.
bool is_computed(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq");
}

void check_dtype(const at::Tensor& tensor, const Place& place) {
  const at::ScalarType type = tensor.scalar_type();
  if (type == at::kFloat || type == at::kBFloat16 || type == at::kHalf) return;
  fail(place, fmt::format("is of dtype {}; float32, bfloat16 and float16 are supported", c10::toString(type)));
}

const char* dtype_name(at::ScalarType type) {
  if (type == at::kBFloat16) return "bfloat16";
  return type == at::kHalf ? "float16" : "float32";
}

/// weight [heads * head_dim, in], or a bias [heads * head_dim].
at::Tensor rotary_halves(const at::Tensor& weight, std::int64_t heads) {
  return weight.view({heads, weight.size(0) / heads / 2, 2, weight.numel() / weight.size(0)})
      .transpose(1, 2)
      .clone(at::MemoryFormat::Contiguous)
      .view(weight.sizes());
}

/// A Mixtral's configuration does not say that it has experts which every token activates, and of what size: the first
/// layer's weights do.
void find_shared_experts(Checkpoint& checkpoint) {
  if (checkpoint.config.architecture != Architecture::mixtral) return;
  const auto found = checkpoint.tensors.find("model.layers.0.mlp_residual.w1.weight");
  if (found == checkpoint.tensors.end() || found->second.dim() != 2) return;
  checkpoint.config.mixture.shared_size = found->second.size(0);
}

}  // namespace

std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config) {
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t intermediate = config.intermediate_size;
  const std::int64_t query = config.num_attention_heads * config.head_dim;
  const std::int64_t key = config.num_key_value_heads * config.head_dim;
  std::vector<ExpectedTensor> expected = {{"model.embed_tokens.weight", {config.vocab_size, hidden}}};
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    const auto add = [&](const char* name, std::vector<std::int64_t> shape) {
      expected.push_back({prefix + name, std::move(shape)});
    };
    add("input_layernorm.weight", {hidden});
    add("self_attn.q_proj.weight", {query, hidden});
    add("self_attn.k_proj.weight", {key, hidden});
    add("self_attn.v_proj.weight", {key, hidden});
    add("self_attn.o_proj.weight", {hidden, query});
    add("post_attention_layernorm.weight", {hidden});
    if (config.query_key_value_bias) {
      add("self_attn.q_proj.bias", {query});
      add("self_attn.k_proj.bias", {key});
      add("self_attn.v_proj.bias", {key});
    }
    if (config.attention_output_bias) add("self_attn.o_proj.bias", {hidden});
    if (config.mixture.is_dense()) {
      add("mlp.gate_proj.weight", {intermediate, hidden});
      add("mlp.up_proj.weight", {intermediate, hidden});
      add("mlp.down_proj.weight", {hidden, intermediate});
      continue;
    }
    MixtureWeights names;
    for (MixtureTensor& tensor : mixture_tensors(config, static_cast<std::size_t>(layer), names)) {
      add(tensor.name.c_str(), std::move(tensor.shape));
    }
  }
  expected.push_back({"model.norm.weight", {hidden}});
  if (!config.tie_word_embeddings) expected.push_back({"lm_head.weight", {config.vocab_size, hidden}});
  return expected;
}

void check_weights(Checkpoint& checkpoint) {
  find_shared_experts(checkpoint);
  std::erase_if(checkpoint.tensors, [](const auto& item) { return is_computed(item.first); });
  // A tied head that is stored nevertheless is a copy of the embedding.
  if (checkpoint.config.tie_word_embeddings) checkpoint.tensors.erase("lm_head.weight");
  std::set<std::string> names;
  for (const ExpectedTensor& expected : expected_tensors(checkpoint.config)) {
    const Place place{checkpoint.source, 0, expected.name};
    const auto tensor = checkpoint.tensors.find(expected.name);
    if (tensor == checkpoint.tensors.end()) fail(place, "the tensor is missing");
    const at::IntArrayRef shape = tensor->second.sizes();
    if (shape != at::IntArrayRef(expected.shape)) {
      fail(place, fmt::format("has shape {}, the configuration says {}", shape_text({shape.data(), shape.size()}),
                              shape_text(expected.shape)));
    }
    check_dtype(tensor->second, place);
    names.insert(expected.name);
  }
  checkpoint.config.torch_dtype = dtype_name(checkpoint.tensors.at("model.embed_tokens.weight").scalar_type());
  if (names.size() == checkpoint.tensors.size()) return;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!names.contains(name)) fail({checkpoint.source, 0, name}, "no such tensor is in a model of this configuration");
  }
}

void use_rotary_halves(const SharedFile& file, Checkpoint& checkpoint) {
  for (auto& [name, tensor] : checkpoint.tensors) {
    const bool is_query = name.find(".q_proj.") != std::string::npos;
    if (!is_query && name.find(".k_proj.") == std::string::npos) continue;
    const at::Tensor mapped = tensor;
    tensor =
        rotary_halves(mapped, is_query ? checkpoint.config.num_attention_heads : checkpoint.config.num_key_value_heads);
    release_pages(file, mapped);
  }
}

}  // namespace mathtrap

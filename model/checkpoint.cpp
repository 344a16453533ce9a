#include "model/checkpoint.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <string_view>

#include "model/large_json.h"
#include "model/mapped_tensor.h"
#include "model/safetensors.h"
#include "model/tokenizer.h"
#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxIndexBytes = std::uint64_t{32} << 20;
constexpr std::uint64_t kMaxTokenizerBytes = std::uint64_t{64} << 20;

using Tensors = std::map<std::string, at::Tensor>;

Tensors read_weight_file(const fs::path& path) {
  return read_safetensors(path);
}

/// The shards that an index names, each with the tensors that it should hold.
std::map<std::string, std::vector<std::string>> read_index(const fs::path& path) {
  const Place place{path, 0, "weight_map"};
  const nlohmann::json index = parse_large_json(read_file(path, kMaxIndexBytes), {path, 0, ""});
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    fail(place, "is missing or no JSON object");
  }
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [name, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) fail(place, fmt::format("{}: a file name is wanted", name));
    shards[shard.get<std::string>()].push_back(name);
  }
  return shards;
}

Tensors read_shards(const fs::path& index) {
  Tensors tensors;
  for (const auto& [shard, names] : read_index(index)) {
    const Place place{index, 0, "weight_map"};
    if (shard.empty() || fs::path(shard).filename() != shard) fail(place, fmt::format("\"{}\" is no file name", shard));
    const fs::path path = index.parent_path() / shard;
    if (!fs::exists(path)) fail(place, fmt::format("the shard {} is missing", shard));
    const Tensors here = read_weight_file(path);
    for (const std::string& name : names) {
      const auto found = here.find(name);
      if (found == here.end()) fail(place, fmt::format("tensor {} is not in {}", name, shard));
      tensors.insert(*found);
    }
  }
  return tensors;
}

std::string read_tokenizer(const fs::path& folder) {
  const fs::path path = folder / "tokenizer.model";
  return fs::exists(path) ? read_file(path, kMaxTokenizerBytes) : "";
}

/// Tensors that older releases of transformers stored and that are computed here.
bool is_computed(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq");
}

void check_dtype(const at::Tensor& tensor, const Place& place) {
  const at::ScalarType type = tensor.scalar_type();
  if (type == at::kFloat || type == at::kBFloat16 || type == at::kHalf) return;
  fail(place, fmt::format("is of dtype {}; float32, bfloat16 and float16 are supported", c10::toString(type)));
}

/// The weights are those of the configuration: none missing, none in another shape, none too many.
void check_tensors(Checkpoint& checkpoint) {
  std::erase_if(checkpoint.tensors, [](const auto& item) { return is_computed(item.first); });
  // A tied head that is stored nevertheless is a copy of the embedding.
  if (checkpoint.config.tie_word_embeddings) checkpoint.tensors.erase("lm_head.weight");
  std::size_t found = 0;
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
    ++found;
  }
  if (found == checkpoint.tensors.size()) return;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!names.contains(name)) fail({checkpoint.source, 0, name}, "no such tensor is in a LLaMA of this configuration");
  }
}

void check_tokenizer(const Checkpoint& checkpoint, const std::string& source) {
  if (checkpoint.tokenizer_model.empty()) return;
  const Tokenizer tokenizer(checkpoint.tokenizer_model, source);
  if (tokenizer.vocab_size() > checkpoint.config.vocab_size) {
    fail({source, 0, ""}, fmt::format("its vocabulary of {} is larger than the model's {}: it belongs to another model",
                                      tokenizer.vocab_size(), checkpoint.config.vocab_size));
  }
}

const char* dtype_name(at::ScalarType type) {
  if (type == at::kBFloat16) return "bfloat16";
  return type == at::kHalf ? "float16" : "float32";
}

Checkpoint read_hugging_face_folder(const fs::path& folder) {
  const fs::path config = folder / "config.json";
  if (!fs::exists(config)) fail({folder, 0, ""}, "has no config.json: not a checkpoint in Hugging Face layout");
  Checkpoint checkpoint;
  checkpoint.source = folder;
  checkpoint.config = read_hugging_face_config(config);
  checkpoint.tensors = read_weights(folder);
  checkpoint.tokenizer_model = read_tokenizer(folder);
  check_tensors(checkpoint);
  check_tokenizer(checkpoint, folder / "tokenizer.model");
  return checkpoint;
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
    add("mlp.gate_proj.weight", {intermediate, hidden});
    add("mlp.up_proj.weight", {intermediate, hidden});
    add("mlp.down_proj.weight", {hidden, intermediate});
  }
  expected.push_back({"model.norm.weight", {hidden}});
  if (!config.tie_word_embeddings) expected.push_back({"lm_head.weight", {config.vocab_size, hidden}});
  return expected;
}

std::map<std::string, at::Tensor> read_weights(const std::string& folder) {
  constexpr std::string_view kNames[] = {"model.safetensors"};
  for (const std::string_view name : kNames) {
    const fs::path whole = fs::path(folder) / name;
    if (fs::exists(whole)) return read_weight_file(whole);
    const fs::path index = fs::path(folder) / fmt::format("{}.index.json", name);
    if (fs::exists(index)) return read_shards(index);
  }
  fail({folder, 0, ""}, "has no weights: neither model.safetensors nor pytorch_model.bin, nor an index of shards");
}

Checkpoint read_checkpoint(const std::string& path) {
  if (!fs::exists(path)) fail({path, 0, ""}, "does not exist");
  Checkpoint checkpoint = read_hugging_face_folder(path);
  checkpoint.config.torch_dtype = dtype_name(checkpoint.tensors.at("model.embed_tokens.weight").scalar_type());
  return checkpoint;
}

void write_hugging_face_folder(const std::string& folder, const Checkpoint& checkpoint) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail({folder, 0, ""}, fmt::format("cannot make the folder: {}", error.message()));
  Tensors tensors;
  for (const ExpectedTensor& expected : expected_tensors(checkpoint.config)) {
    tensors.emplace(expected.name, checkpoint.tensors.at(expected.name));
  }
  ModelConfig config = checkpoint.config;
  config.torch_dtype = dtype_name(tensors.at("model.embed_tokens.weight").scalar_type());
  const fs::path to(folder);
  write_safetensors(to / "model.safetensors", tensors, {{"format", "pt"}});
  if (!checkpoint.tokenizer_model.empty()) write_file_atomically(to / "tokenizer.model", checkpoint.tokenizer_model);
  write_file_atomically(to / "config.json", write_hugging_face_config(config));
}

}  // namespace mathtrap

#include "tests/model/small_checkpoint.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "model/safetensors.h"
#include "model/tokenizer.h"
#include "model/weights.h"
#include "support/files.h"

namespace mathtrap {
namespace {

std::string byte_vocabulary() {
  std::vector<VocabularyPiece> pieces = {{"<unk>", 0, 2}, {"<s>", 0, 3}, {"</s>", 0, 3}};
  for (int byte = 0; byte < 256; ++byte) pieces.push_back({fmt::format("<0x{:02X}>", byte), 0, 6});
  return serialise_sentencepiece_model(pieces, 1, 2, 0, true);
}

}  // namespace

Checkpoint small_checkpoint(bool tied, at::ScalarType type) {
  ModelConfig config;
  config.hidden_size = 32;
  config.intermediate_size = 64;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 8;
  config.vocab_size = 266;
  config.max_position_embeddings = 64;
  config.tie_word_embeddings = tied;
  config.torch_dtype = type == at::kFloat ? "float32" : type == at::kHalf ? "float16" : "bfloat16";
  return checkpoint_of(config, type);
}

Checkpoint checkpoint_of(const ModelConfig& config, at::ScalarType type) {
  Checkpoint checkpoint;
  checkpoint.config = config;
  double start = 0;
  for (const ExpectedTensor& expected : expected_tensors(config)) {
    const at::Tensor values = at::empty(expected.shape, at::kDouble);
    const auto count = values.numel();
    // Multiples of the golden ratio: spread evenly over [-0.5, 0.5), and no two the same.
    values.copy_(at::arange(count, at::kDouble).add(start).mul(0.618034).frac().sub(0.5).view(expected.shape));
    checkpoint.tensors.emplace(expected.name, values.to(type));
    start += static_cast<double>(count);
  }
  checkpoint.tokenizer_model = byte_vocabulary();
  checkpoint.source = "small";
  return checkpoint;
}

void write_sharded(const std::string& folder, const Checkpoint& checkpoint) {
  std::map<std::string, at::Tensor> shards[2];
  nlohmann::json index;
  std::size_t turn = 0;
  for (const auto& item : checkpoint.tensors) {
    const std::size_t shard = turn++ % 2;
    shards[shard].insert(item);
    index["weight_map"][item.first] = fmt::format("model-0000{}-of-00002.safetensors", shard + 1);
  }
  const std::filesystem::path to(folder);
  for (std::size_t shard = 0; shard < 2; ++shard) {
    write_safetensors(to / fmt::format("model-0000{}-of-00002.safetensors", shard + 1), shards[shard], {});
  }
  write_file_atomically(to / "model.safetensors.index.json", index.dump());
  write_file_atomically(to / "config.json", write_hugging_face_config(checkpoint.config));
  write_file_atomically(to / "tokenizer.model", checkpoint.tokenizer_model);
}

}  // namespace mathtrap

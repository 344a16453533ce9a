#include "model/weight_shards.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "model/mapped_tensor.h"
#include "model/safetensors.h"
#include "model/tokenizer.h"
#include "model/weights.h"
#include "support/error.h"
#include "support/files.h"
#include "support/json.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWhole = "model.safetensors";

std::string shard_name(std::size_t shard) {
  return fmt::format("model-{:05}.safetensors", shard);
}

}  // namespace

void refuse_checkpoint(const std::string& folder) {
  if (fs::exists(fs::path(folder) / "config.json")) {
    throw Error(fmt::format("{}: already holds a model; choose another folder", folder));
  }
}

WeightShards::WeightShards(std::string folder, std::int64_t shard_bytes)
    : folder_(std::move(folder)), shard_bytes_(shard_bytes) {
  refuse_checkpoint(folder_);
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) throw Error(fmt::format("{}: cannot create the folder: {}", folder_, error.message()));
}

void WeightShards::add(const std::string& name, const at::Tensor& tensor) {
  shapes_[name] = tensor.sizes().vec();
  shard_of_[name] = shards_ + 1;
  pending_[name] = tensor.contiguous();
  pending_bytes_ += static_cast<std::int64_t>(tensor.nbytes());
  if (pending_bytes_ >= shard_bytes_) write_shard();
}

void WeightShards::write_shard() {
  write_safetensors(fs::path(folder_) / shard_name(++shards_), pending_, {{"format", "pt"}});
  bytes_ += pending_bytes_;
  // What somebody else holds, such as a mapped checkpoint, stays when it is let go of here, and is not needed again.
  for (const auto& [name, tensor] : pending_) {
    if (tensor.use_count() > 1) page_out(tensor);
  }
  pending_.clear();
  pending_bytes_ = 0;
}

void WeightShards::finish(const ModelConfig& config, const std::string& tokenizer_model) {
  if (!pending_.empty()) write_shard();
  check_config(config, folder_);
  const std::vector<ExpectedTensor> expected = expected_tensors(config);
  for (const ExpectedTensor& weight : expected) {
    const auto found = shapes_.find(weight.name);
    if (found == shapes_.end() || found->second != weight.shape) {
      throw Error(fmt::format("{}: {} of shape {} was not written", folder_, weight.name, shape_text(weight.shape)));
    }
  }
  if (expected.size() != shapes_.size()) throw Error(fmt::format("{}: weights that no model has", folder_));
  const fs::path folder(folder_);
  if (shards_ == 1) {
    fs::rename(folder / shard_name(1), folder / kWhole);
  } else {
    Json index = {{"metadata", {{"total_size", bytes_}}}, {"weight_map", Json::object()}};
    for (const auto& [name, shard] : shard_of_) index["weight_map"][name] = shard_name(shard);
    write_file_atomically(folder / fmt::format("{}.index.json", kWhole), index.dump(2) + "\n");
  }
  if (!tokenizer_model.empty()) {
    const char* name = is_tokenizer_json(tokenizer_model) ? "tokenizer.json" : "tokenizer.model";
    write_file_atomically(folder / name, tokenizer_model);
  }
  write_file_atomically(folder / "config.json", write_hugging_face_config(config));
}

}  // namespace mathtrap

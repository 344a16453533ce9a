// Writes a folder in Hugging Face layout bit by bit, so that a model need not be in memory as a whole.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/config.h"

namespace mathtrap {

/// Throws Error when there is a checkpoint in the folder.
void refuse_checkpoint(const std::string& folder);

/// Collects weights, and writes a safetensors shard whenever there are enough. finish() writes the index (a single
/// shard becomes model.safetensors), the tokenizer and, last, config.json, without which the folder is no checkpoint.
class WeightShards {
 public:
  /// Makes the folder. Throws Error when there is a checkpoint in it.
  explicit WeightShards(std::string folder, std::int64_t shard_bytes = std::int64_t{1} << 30);
  void add(const std::string& name, const at::Tensor& tensor);
  /// Throws Error when the weights are not those of the configuration.
  void finish(const ModelConfig& config, const std::string& tokenizer_model);

 private:
  void write_shard();

  std::string folder_;
  std::int64_t shard_bytes_;
  std::map<std::string, at::Tensor> pending_;
  std::int64_t pending_bytes_ = 0;
  std::map<std::string, std::size_t> shard_of_;  ///< by name
  std::map<std::string, std::vector<std::int64_t>> shapes_;
  std::size_t shards_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace mathtrap

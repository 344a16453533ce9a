// What a model of the LLaMA kind is made of: the fields of Hugging Face's config.json, or of a GGUF's metadata, that
// this program reads. Mistral and Qwen2 are LLaMAs with a sliding window and with attention biases, LLaMA-MoE and
// Mixtral have mixtures of experts for feed-forward layers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/mixture_config.h"

namespace mathtrap {

enum class RopeScalingKind { none, linear, llama3 };

/// Scaling of rotary frequencies for long contexts, as in Hugging Face's "rope_scaling".
struct RopeScaling {
  RopeScalingKind kind = RopeScalingKind::none;
  double factor = 1.0;
  double low_frequency_factor = 1.0;                     ///< llama3 only
  double high_frequency_factor = 4.0;                    ///< llama3 only
  std::int64_t original_max_position_embeddings = 8192;  ///< llama3 only
};

/// As in "model_type". What is computed follows from the other fields; the architecture says what is absent and how a
/// configuration is written.
enum class Architecture { llama, mistral, qwen2, llama_moe, mixtral };

struct ModelConfig {
  Architecture architecture = Architecture::llama;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;  ///< of a dense layer; of a mixture what its config.json says, not used
  std::int64_t num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocab_size = 0;
  std::int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-5;
  double rope_theta = 10000.0;
  RopeScaling rope_scaling;
  bool tie_word_embeddings = false;
  bool query_key_value_bias = false;  ///< the projections to queries, keys and values have biases
  bool attention_output_bias = false;
  std::int64_t sliding_window = 0;        ///< positions that a token attends to, itself included; 0: all before it
  std::int64_t first_windowed_layer = 0;  ///< layers before this one attend to all positions
  std::int64_t bos_token_id = 1;          ///< -1: none
  std::vector<std::int64_t> eos_token_ids = {2};
  MixtureConfig mixture;
  std::string torch_dtype = "float32";  ///< as stored: "float32", "bfloat16" or "float16"
};

/// Throws Error (with `source` as the place) when a size is not positive, heads do not divide, a size is absurd
/// (above 2^24, or a product of two sizes above 2^36), or a rotary scaling is incomplete.
void check_config(const ModelConfig& config, const std::string& source);

/// Reads config.json of any architecture above. What is absent has the default of transformers' class for it. Throws
/// Error naming the field that is missing, wrong or not supported.
ModelConfig read_hugging_face_config(const std::string& path);
/// The JSON text of a config.json that transformers accepts, for the configuration's architecture.
std::string write_hugging_face_config(const ModelConfig& config);

}  // namespace mathtrap

#include "model/gguf_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "model/bpe/gguf_vocabulary.h"
#include "model/tokenizer.h"
#include "support/error.h"

namespace mathtrap {
namespace {

/// tokenizer.ggml.model of byte-level byte pair encoding.
constexpr std::string_view kBytePairs = "gpt2";

/// Reads metadata by key, with the type checked.
class Metadata {
 public:
  Metadata(const GgufHeader& header, const std::string& path) : values_(header.metadata), path_(path) {}

  Place place(const std::string& key) const { return {path_, 0, key}; }
  /// The key of what belongs to the architecture: "llama.block_count".
  std::string own_key(const char* name) const {
    return fmt::format("{}.{}", text_or("general.architecture", ""), name);
  }

  bool has(const std::string& key) const { return values_.contains(key); }

  /// Nothing when the key is absent.
  template <typename T>
  const T* find(const std::string& key, const char* wanted) const {
    const auto found = values_.find(key);
    if (found == values_.end()) return nullptr;
    const T* value = std::get_if<T>(&found->second);
    if (value == nullptr) fail(place(key), fmt::format("is of the wrong type, {} is wanted", wanted));
    return value;
  }

  std::int64_t integer(const std::string& key) const { return *required(find<std::int64_t>(key, "an integer"), key); }
  std::int64_t integer_or(const std::string& key, std::int64_t otherwise) const {
    const auto* value = find<std::int64_t>(key, "an integer");
    return value != nullptr ? *value : otherwise;
  }
  double number_or(const std::string& key, double otherwise) const {
    const auto* value = find<double>(key, "a number");
    return value != nullptr ? *value : otherwise;
  }
  bool flag_or(const std::string& key, bool otherwise) const {
    const auto* value = find<bool>(key, "true or false");
    return value != nullptr ? *value : otherwise;
  }
  std::string_view text_or(const std::string& key, std::string_view otherwise) const {
    const auto* value = find<std::string_view>(key, "a string");
    return value != nullptr ? *value : otherwise;
  }
  const GgufArray& array(const std::string& key, GgufType type) const {
    const GgufArray& value = *required(find<GgufArray>(key, "an array"), key);
    if (value.type != type) fail(place(key), "is an array of the wrong type");
    return value;
  }

 private:
  template <typename T>
  const T* required(const T* value, const std::string& key) const {
    if (value == nullptr) fail(place(key), "is missing");
    return value;
  }

  const std::map<std::string, GgufValue>& values_;
  const std::string& path_;
};

const GgufTensor* find_tensor(const GgufHeader& header, std::string_view name) {
  const auto found = std::find_if(header.tensors.begin(), header.tensors.end(),
                                  [&](const GgufTensor& tensor) { return tensor.name == name; });
  return found == header.tensors.end() ? nullptr : &*found;
}

Architecture read_architecture(const Metadata& metadata) {
  const std::string_view architecture = metadata.text_or("general.architecture", "");
  if (architecture != "llama" && architecture != "qwen2") {
    fail(metadata.place("general.architecture"),
         fmt::format("\"{}\" is not supported; llama and qwen2 are", architecture));
  }
  const std::string experts = metadata.own_key("expert_count");
  if (metadata.integer_or(experts, 0) != 0) fail(metadata.place(experts), "models of experts are not supported");
  return architecture == "llama" ? Architecture::llama : Architecture::qwen2;
}

/// What other models multiply by or cap, and what files of them could say under the name of a supported architecture.
void check_scales(const Metadata& metadata) {
  for (const char* name : {"attn_logit_softcapping", "final_logit_softcapping", "attention.scale", "embedding_scale",
                           "residual_scale", "logit_scale"}) {
    const std::string key = metadata.own_key(name);
    const double scale = metadata.number_or(key, 0);
    // None is written as 0 too.
    if (scale != 0) fail(metadata.place(key), fmt::format("is {}: not supported, it must be absent", scale));
  }
}

std::int64_t read_head_dim(const Metadata& metadata, const ModelConfig& config) {
  if (config.num_attention_heads <= 0)
    fail(metadata.place(metadata.own_key("attention.head_count")), "must be positive");
  const std::int64_t head_dim =
      metadata.integer_or(metadata.own_key("attention.key_length"), config.hidden_size / config.num_attention_heads);
  for (const char* name : {"attention.value_length", "rope.dimension_count"}) {
    const std::string key = metadata.own_key(name);
    if (metadata.integer_or(key, head_dim) != head_dim) {
      fail(metadata.place(key), fmt::format("differs from the head size of {}: not supported", head_dim));
    }
  }
  return head_dim;
}

RopeScaling read_rope_scaling(const Metadata& metadata) {
  RopeScaling scaling;
  // For rotary scalings that are stored as a tensor.
  scaling.original_max_position_embeddings = metadata.integer_or(
      metadata.own_key("rope.scaling.original_context_length"), scaling.original_max_position_embeddings);
  // "scale_linear" is what files of 2023 call the factor.
  const double old_factor = metadata.number_or(metadata.own_key("rope.scale_linear"), 1.0);
  const std::string key = metadata.own_key("rope.scaling.type");
  const std::string_view kind = metadata.text_or(key, old_factor != 1.0 ? "linear" : "none");
  if (kind == "none") return scaling;
  if (kind != "linear") fail(metadata.place(key), fmt::format("\"{}\" is not supported; none and linear are", kind));
  scaling.kind = RopeScalingKind::linear;
  scaling.factor = metadata.number_or(metadata.own_key("rope.scaling.factor"), old_factor);
  return scaling;
}

/// Biases are there or not: no key says so. A window makes a LLaMA a Mistral, which GGUF does not tell apart.
void read_attention(const GgufHeader& header, const Metadata& metadata, ModelConfig& config) {
  const bool biases = find_tensor(header, "blk.0.attn_q.bias") != nullptr;
  config.query_key_value_bias = biases || config.architecture == Architecture::qwen2;
  config.attention_output_bias = biases && config.architecture == Architecture::llama;
  const std::string key = metadata.own_key("attention.sliding_window");
  config.sliding_window = metadata.integer_or(key, 0);
  if (config.sliding_window < 0) fail(metadata.place(key), "must not be negative");
  if (config.sliding_window == 0 || config.architecture == Architecture::qwen2) return;
  if (biases) fail(metadata.place(key), "a sliding window and biases together are not supported in a llama");
  config.architecture = Architecture::mistral;
}

/// Whether texts begin with a token of their own where no key says so: as llama.cpp has it.
bool adds_bos(const Metadata& metadata) {
  if (metadata.text_or("tokenizer.ggml.model", "") != "gpt2") return true;
  const std::string_view split = metadata.text_or("tokenizer.ggml.pre", "");
  return split == "llama-bpe" || split == "llama3" || split == "llama-v3";
}

void read_special_tokens(const Metadata& metadata, ModelConfig& config) {
  config.bos_token_id = metadata.integer_or("tokenizer.ggml.bos_token_id", 1);
  if (!metadata.flag_or("tokenizer.ggml.add_bos_token", adds_bos(metadata))) config.bos_token_id = -1;
  const bool byte_pairs = metadata.text_or("tokenizer.ggml.model", "") == kBytePairs;
  if (byte_pairs && !metadata.has("tokenizer.ggml.eos_token_id")) {
    config.eos_token_ids.clear();  // no token is known by its number: the tokenizer knows one by its name
    return;
  }
  config.eos_token_ids = {metadata.integer_or("tokenizer.ggml.eos_token_id", 2)};
  // The token that ends a turn of a chat, where it is another than that which ends a text.
  const std::int64_t end_of_turn = metadata.integer_or("tokenizer.ggml.eot_token_id", config.eos_token_ids.front());
  if (end_of_turn != config.eos_token_ids.front()) config.eos_token_ids.push_back(end_of_turn);
}

template <typename T>
T element(const GgufArray& array, std::size_t index) {
  T value{};
  std::memcpy(&value, array.numbers.data() + index * sizeof(T), sizeof(T));
  return value;
}

std::vector<VocabularyPiece> read_pieces(const Metadata& metadata) {
  const GgufArray& texts = metadata.array("tokenizer.ggml.tokens", GgufType::string);
  const GgufArray& types = metadata.array("tokenizer.ggml.token_type", GgufType::int32);
  if (types.count != texts.count)
    fail(metadata.place("tokenizer.ggml.token_type"), "are more or fewer than the tokens");
  std::vector<VocabularyPiece> pieces;
  pieces.reserve(texts.strings.size());
  for (std::size_t i = 0; i < texts.strings.size(); ++i) {
    const auto type = element<std::int32_t>(types, i);
    if (type < 1 || type > 6) {
      fail(metadata.place("tokenizer.ggml.token_type"), fmt::format("token {} is of the unknown type {}", i, type));
    }
    pieces.push_back({std::string(texts.strings[i]), 0, type});
  }
  return pieces;
}

std::vector<float> read_scores(const Metadata& metadata) {
  const GgufArray& scores = metadata.array("tokenizer.ggml.scores", GgufType::float32);
  if (scores.count != metadata.array("tokenizer.ggml.tokens", GgufType::string).count) {
    fail(metadata.place("tokenizer.ggml.scores"), "are more or fewer than the tokens");
  }
  std::vector<float> read(scores.count);
  for (std::size_t i = 0; i < read.size(); ++i) read[i] = element<float>(scores, i);
  return read;
}

TokenId token_or(const Metadata& metadata, const std::string& key, std::int64_t otherwise, std::size_t vocabulary) {
  const std::int64_t token = metadata.integer_or(key, otherwise);
  if (token < 0 || static_cast<std::uint64_t>(token) >= vocabulary) {
    fail(metadata.place(key), fmt::format("is {}, outside the vocabulary of {}", token, vocabulary));
  }
  return static_cast<TokenId>(token);
}

std::string read_sentencepiece_vocabulary(const Metadata& metadata) {
  const std::vector<float> scores = read_scores(metadata);
  std::vector<VocabularyPiece> pieces = read_pieces(metadata);
  for (std::size_t i = 0; i < pieces.size(); ++i) pieces[i].score = scores[i];
  const bool has_bos = metadata.flag_or("tokenizer.ggml.add_bos_token", true);
  const TokenId bos = has_bos ? token_or(metadata, "tokenizer.ggml.bos_token_id", 1, pieces.size()) : -1;
  const TokenId eos = token_or(metadata, "tokenizer.ggml.eos_token_id", 2, pieces.size());
  const TokenId unknown = token_or(metadata, "tokenizer.ggml.unknown_token_id", 0, pieces.size());
  return serialise_sentencepiece_model(pieces, bos, eos, unknown,
                                       metadata.flag_or("tokenizer.ggml.add_space_prefix", true));
}

std::string read_byte_pair_vocabulary(const Metadata& metadata, const std::string& path) {
  GgufBpeVocabulary vocabulary;
  vocabulary.pieces = read_pieces(metadata);
  const GgufArray& merges = metadata.array("tokenizer.ggml.merges", GgufType::string);
  vocabulary.merges.assign(merges.strings.begin(), merges.strings.end());
  // Files without it are from before it was known that vocabularies split texts in different ways.
  if (!metadata.has("tokenizer.ggml.pre")) {
    fail(metadata.place("tokenizer.ggml.pre"), "is missing, and how texts are split cannot be told; convert it anew");
  }
  vocabulary.pre = metadata.text_or("tokenizer.ggml.pre", "");
  if (metadata.has("tokenizer.ggml.bos_token_id")) {
    vocabulary.bos = token_or(metadata, "tokenizer.ggml.bos_token_id", -1, vocabulary.pieces.size());
  }
  const char* add_bos = "tokenizer.ggml.add_bos_token";
  if (metadata.has(add_bos)) vocabulary.add_bos = metadata.flag_or(add_bos, false);
  return write_tokenizer_json(vocabulary, path);
}

}  // namespace

ModelConfig read_gguf_config(const GgufHeader& header, const std::string& path) {
  const Metadata metadata(header, path);
  ModelConfig config;
  config.architecture = read_architecture(metadata);
  check_scales(metadata);
  const auto own = [&](const char* name) { return metadata.own_key(name); };
  config.hidden_size = metadata.integer(own("embedding_length"));
  config.intermediate_size = metadata.integer(own("feed_forward_length"));
  config.num_hidden_layers = metadata.integer(own("block_count"));
  config.num_attention_heads = metadata.integer(own("attention.head_count"));
  config.num_key_value_heads = metadata.integer_or(own("attention.head_count_kv"), config.num_attention_heads);
  config.head_dim = read_head_dim(metadata, config);
  config.max_position_embeddings = metadata.integer(own("context_length"));
  config.rms_norm_eps = metadata.number_or(own("attention.layer_norm_rms_epsilon"), 1e-5);
  config.rope_theta = metadata.number_or(own("rope.freq_base"), 10000.0);
  config.rope_scaling = read_rope_scaling(metadata);
  read_attention(header, metadata, config);
  const GgufTensor* embedding = find_tensor(header, "token_embd.weight");
  if (embedding == nullptr) fail({path, 0, "token_embd.weight"}, "the tensor is missing");
  config.vocab_size = metadata.integer_or(own("vocab_size"), embedding->shape.front());
  config.tie_word_embeddings = find_tensor(header, "output.weight") == nullptr;
  read_special_tokens(metadata, config);
  check_config(config, path);
  return config;
}

std::string read_gguf_vocabulary(const GgufHeader& header, const std::string& path) {
  const Metadata metadata(header, path);
  const std::string_view kind = metadata.text_or("tokenizer.ggml.model", "");
  if (kind == "llama") return read_sentencepiece_vocabulary(metadata);
  if (kind == kBytePairs) return read_byte_pair_vocabulary(metadata, path);
  fail(metadata.place("tokenizer.ggml.model"),
       fmt::format("\"{}\" is not supported; \"llama\" (SentencePiece) and \"gpt2\" (byte pairs) are", kind));
}

}  // namespace mathtrap

// Shapes of models that are measured: with random weights, for speed does not depend on them.
#pragma once

#include <cstdint>

#include "model/config.h"

namespace mathtrap {

inline ModelConfig llama_shape(std::int64_t hidden, std::int64_t intermediate, std::int64_t layers, std::int64_t heads,
                               std::int64_t kv_heads, std::int64_t vocabulary) {
  ModelConfig config;
  config.hidden_size = hidden;
  config.intermediate_size = intermediate;
  config.num_hidden_layers = layers;
  config.num_attention_heads = heads;
  config.num_key_value_heads = kv_heads;
  config.head_dim = hidden / heads;
  config.vocab_size = vocabulary;
  config.max_position_embeddings = 2048;
  config.tie_word_embeddings = true;
  return config;
}

}  // namespace mathtrap

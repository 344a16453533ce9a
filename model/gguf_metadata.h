// What a GGUF file's metadata says of a model: configuration and vocabulary.
#pragma once

#include <string>

#include "model/config.h"
#include "model/gguf_header.h"

namespace mathtrap {

/// The configuration, checked but for what only the tensors tell: vocab_size is that of the embedding, the head is tied
/// where there is no tensor for it. Throws Error naming the metadata key.
ModelConfig read_gguf_config(const GgufHeader& header, const std::string& path);

/// The vocabulary as a serialised SentencePiece model, or as a tokenizer.json where it is of byte pairs. Throws Error
/// naming the metadata key.
std::string read_gguf_vocabulary(const GgufHeader& header, const std::string& path);

}  // namespace mathtrap

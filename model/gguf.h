// GGUF files: one file with the configuration, the weights and the vocabulary of a model.
#pragma once

#include <string>

#include "model/checkpoint.h"

namespace mathtrap {

/// Configuration, tensors and vocabulary of a GGUF file, version 2 or 3, of the architectures llama and qwen2. f32, f16
/// and bf16 tensors lie in the mapped file, but a llama's queries and keys, whose rotary order is changed; tensors of
/// blocks (model/quantized) become f32. Throws Error: see read_gguf_header;
/// an architecture, rotary scaling or tokenizer that is not supported; tensors that disagree with the configuration.
Checkpoint read_gguf(const std::string& path);

/// The vocabulary of a GGUF file, also of one without tensors, as read_checkpoint gives it.
std::string read_gguf_vocabulary(const std::string& path);

}  // namespace mathtrap

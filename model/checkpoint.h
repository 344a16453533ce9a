// Checkpoints on disk: a folder in Hugging Face layout (safetensors or PyTorch pickle shards), a GGUF file, or a single
// PyTorch file. All are read into one form: the configuration, and tensors by their Hugging Face names.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/config.h"

namespace mathtrap {

/// Tensors by Hugging Face name ("model.layers.0.self_attn.q_proj.weight"). Rotary layout is Hugging Face's
/// (half-split): the GGUF and Meta readers permute back. f32, bf16 and f16 tensors lie in the mapped file, read only,
/// and keep it alive; a GGUF's blocks become f32.
struct Checkpoint {
  ModelConfig config;
  std::map<std::string, at::Tensor> tensors;
  /// What Tokenizer is made from: a serialised SentencePiece model or the content of a tokenizer.json; made from the
  /// vocabulary where the file is a GGUF. Empty where there is none: Tokenizer then says so.
  std::string tokenizer_model;
  std::string source;  ///< the path, for messages
};

/// Reads a checkpoint of any supported kind and checks that every tensor the configuration needs is there in its shape,
/// that no other is, and that the tokenizer's vocabulary fits the embedding. Of a folder with tokenizer.model and
/// tokenizer.json the former is read. A tokenizer.json says whether texts begin with begin-of-text; bos_token_id is -1
/// where they do not. Throws Error with one line that names
/// file, field or tensor. Every size is checked before memory is taken.
Checkpoint read_checkpoint(const std::string& path);

/// The checkpoint at `base` with an adapter's updates (model/adapter.h) added to its weights. read_checkpoint does this
/// for an adapter's folder, with the base that it names.
Checkpoint read_adapted(const std::string& adapter, const std::string& base);

/// All tensors of a folder in Hugging Face layout, whatever the architecture: model.safetensors or pytorch_model.bin,
/// in one file or in the shards that an index names.
std::map<std::string, at::Tensor> read_weights(const std::string& folder);

/// Writes a folder in Hugging Face layout: config.json, model.safetensors, tokenizer.model or tokenizer.json. Files
/// appear whole or not; config.json, without which it is no checkpoint, last.
void write_hugging_face_folder(const std::string& folder, const Checkpoint& checkpoint);

}  // namespace mathtrap

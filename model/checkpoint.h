// Checkpoints on disk: a folder in Hugging Face layout (safetensors or PyTorch pickle shards), a GGUF file, or a single
// PyTorch file. All are read into one form: the configuration, and tensors by their Hugging Face names.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/config.h"

namespace mathtrap {

/// Tensors by Hugging Face name ("model.layers.0.self_attn.q_proj.weight"). Rotary layout is Hugging Face's (half-split):
/// the GGUF and Meta readers permute back. f32, bf16 and f16 tensors of safetensors and GGUF lie in the mapped file, read
/// only, and keep it alive; q8_0 is dequantised to f32.
struct Checkpoint {
  ModelConfig config;
  std::map<std::string, at::Tensor> tensors;
  std::string tokenizer_model;  ///< a serialised SentencePiece model; made from the vocabulary where the file is a GGUF
  std::string source;           ///< the path, for messages
};

/// Reads a checkpoint of any supported kind and checks that every tensor the configuration needs is there in its shape.
/// Throws Error with one line that names file, field or tensor. Every size is checked before memory is taken.
Checkpoint read_checkpoint(const std::string& path);

/// One safetensors file. Throws Error: header beyond the file, offsets that overlap or run out, dtype or shape that
/// disagree with the size.
std::map<std::string, at::Tensor> read_safetensors(const std::string& path);
/// Writes tensors (any dtype that safetensors names) with their names, atomically.
void write_safetensors(const std::string& path, const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

/// One PyTorch zip file (torch.save of a dict of tensors), read by an unpickler that knows tensors, containers, strings
/// and numbers, and nothing that runs. Throws Error on anything else.
std::map<std::string, at::Tensor> read_pytorch_file(const std::string& path);

/// Configuration, tensors and vocabulary of a GGUF file, version 2 or 3.
Checkpoint read_gguf(const std::string& path);

/// Writes a folder in Hugging Face layout: config.json, model.safetensors, tokenizer.model. Files appear whole or not.
void write_hugging_face_folder(const std::string& folder, const Checkpoint& checkpoint);

}  // namespace mathtrap

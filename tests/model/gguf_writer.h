// Makes GGUF files, and broken ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/checkpoint.h"
#include "model/gguf_header.h"

namespace mathtrap {

struct GgufFileTensor {
  std::string name;
  GgufTensorType type = GgufTensorType::f32;
  std::vector<std::uint64_t> sizes;  ///< innermost first, as in the file
  std::string bytes;
};

/// The parts of a file; `bytes` puts them together. Tests change parts to break it.
struct GgufFile {
  std::uint32_t version = 3;
  std::vector<std::pair<std::string, std::string>> metadata;  ///< key, and type and value as they are stored
  std::vector<GgufFileTensor> tensors;

  std::string bytes() const;
  /// Adds or replaces an entry.
  void set(const std::string& key, const std::string& stored);
  void remove(const std::string& key);
};

/// Values as they are stored.
std::string gguf_u32(std::uint32_t value);
std::string gguf_f32(float value);
std::string gguf_bool(bool value);
std::string gguf_string(std::string_view text);
std::string gguf_strings(const std::vector<std::string>& texts);

/// A checkpoint as llama.cpp's converter lays it out: f32 or `matrices` for weights of two dimensions, rotary pairs
/// side by side. Its vocabulary is that of small_checkpoint.
GgufFile gguf_of(const Checkpoint& checkpoint, GgufTensorType matrices = GgufTensorType::f32);

}  // namespace mathtrap

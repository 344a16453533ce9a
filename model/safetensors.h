// Files in safetensors format: an 8-byte length, a JSON header that names each tensor's dtype, shape and place, the
// data.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace mathtrap {

/// The tensors of one file, by name. They lie in the mapped file, read only, and keep it alive. Throws Error: header
/// beyond the file, places that overlap, leave gaps or run out, dtype or shape that disagree with the size.
std::map<std::string, at::Tensor> read_safetensors(const std::string& path);

/// Writes tensors (any dtype that read_safetensors knows, on any device) with their names, atomically. The same tensors
/// give the same bytes.
void write_safetensors(const std::string& path, const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace mathtrap

// Files that torch.save writes since PyTorch 1.6: a zip of one pickle and the storages of its tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "model/mapped_tensor.h"

namespace mathtrap {

/// The tensors of a saved dict, read by an unpickler that knows tensors, containers, strings and numbers, and nothing
/// that runs. Contiguous tensors lie in the mapped file, read only. Throws Error on anything else, and on sizes,
/// strides and storages that do not fit the file.
std::map<std::string, at::Tensor> read_pytorch_file(const std::string& path);

/// The same of a file that is mapped already.
std::map<std::string, at::Tensor> read_pytorch_file(const SharedFile& file, const std::string& path);

}  // namespace mathtrap

// Checkpoints with Meta's own key names ("layers.0.attention.wq.weight"), and params.json instead of config.json.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "model/checkpoint.h"
#include "model/mapped_tensor.h"

namespace mathtrap {

/// Whether these are tensors of such a checkpoint.
bool has_meta_names(const std::map<std::string, at::Tensor>& tensors);

/// The checkpoint of such tensors, read from `file`, which is `path`. Sizes come from the tensors; what these do not
/// tell (heads, epsilon, theta) from params.json beside the file. Without it the size of a head is guessed, with a
/// warning. Throws Error when tensors are missing or disagree with each other or with params.json.
Checkpoint make_meta_checkpoint(const SharedFile& file, std::map<std::string, at::Tensor> tensors,
                                const std::string& path);

}  // namespace mathtrap

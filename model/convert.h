// Any model that is read here, written as a folder in Hugging Face layout.
#pragma once

#include <string>

namespace mathtrap {

/// Reads the model at `path` and writes it to `folder`, with its chat template; an adapter is merged with its base.
/// `dtype` is "f32", "bf16" or "auto": as stored, or f32 where an adapter was merged, whose sums are f32. Throws Error
/// when the folder holds a model already, or anything cannot be read or written.
void convert_model(const std::string& path, const std::string& folder, const std::string& dtype);

}  // namespace mathtrap

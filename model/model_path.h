// Where a model lies, by the name that --model gives.
#pragma once

#include <string>

namespace mathtrap {

/// "zoo:NAME" becomes the folder of the shipped model; a file or folder stays as it is. Throws Error, which names the
/// models of the zoo, when there is no such file, folder or model.
std::string resolve_model_path(const std::string& name);

}  // namespace mathtrap

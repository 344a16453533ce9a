// The TOML files of a folder.
#pragma once

#include <string>
#include <vector>

namespace mathtrap {

/// `path` itself when it is a file; of a folder its .toml files (not deeper), sorted by name. Throws Error when there
/// is nothing of the name, or no such file in the folder.
std::vector<std::string> toml_files(const std::string& path);

}  // namespace mathtrap

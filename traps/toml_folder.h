// The TOML files of a folder and those below it.
#pragma once

#include <string>
#include <vector>

namespace mathtrap {

/// `path` itself when it is a file; of a folder the .toml files in and below it, sorted by name, which no two share.
/// Throws Error when there is nothing of the name, no such file in the folder, or two of one name.
std::vector<std::string> toml_files(const std::string& path);

}  // namespace mathtrap

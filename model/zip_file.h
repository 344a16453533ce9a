// The directory of a zip file whose entries are stored uncompressed, as PyTorch writes them (zip64 included).
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace mathtrap {

/// The bytes of each entry by name; they lie in `file`. Throws Error (with `path` as the place) when the directory is
/// damaged, an entry lies outside of the file, or is compressed or encrypted.
std::map<std::string, std::span<const std::byte>> read_zip_directory(std::span<const std::byte> file,
                                                                     const std::string& path);

}  // namespace mathtrap

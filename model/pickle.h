// Reads what torch.save pickles: a dict of tensors. Nothing that the pickle names is ever called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace mathtrap {

/// A tensor in a pickle: a part of a storage, whose bytes lie in a file of their own.
struct PickledTensor {
  std::string storage_type;  ///< "FloatStorage"
  std::string storage_key;   ///< names the file
  std::int64_t storage_elements = 0;
  std::int64_t offset = 0;  ///< in elements
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  ///< in elements, as many as shape
};

/// The tensors of a pickled dict, by key; other values of the dict are left out. Knows containers, strings, numbers and
/// the few names that tensors are pickled with. Throws Error (with `path` as the place) on anything else. Sizes and
/// strides are as the pickle says: not checked.
std::map<std::string, PickledTensor> unpickle_tensors(std::span<const std::byte> pickle, const std::string& path);

}  // namespace mathtrap

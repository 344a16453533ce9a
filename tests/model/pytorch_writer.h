// Makes files as torch.save does, and broken ones.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/checkpoint.h"

namespace mathtrap {

/// Entries of a zip file, by name, in order.
using ZipEntries = std::vector<std::pair<std::string, std::string>>;

/// A zip file of stored entries; with `zip64`, sizes and places stand in the fields for large files.
std::string make_zip(const ZipEntries& entries, bool zip64 = false);

/// Writes one pickle, instruction by instruction.
class PickleWriter {
 public:
  PickleWriter& raw(std::string_view bytes);
  PickleWriter& string(std::string_view text);
  PickleWriter& integer(std::int64_t value);
  PickleWriter& global(std::string_view module, std::string_view name);
  /// A tuple of integers.
  PickleWriter& tuple(const std::vector<std::int64_t>& values);
  /// A call of _rebuild_tensor_v2. `type` is "FloatStorage".
  PickleWriter& tensor(std::string_view type, std::string_view key, std::int64_t elements, std::int64_t offset,
                       const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// A pickle of a dict of tensors; storages are numbered in the order of names.
std::string pickle_of(const std::map<std::string, at::Tensor>& tensors);

/// A file with these tensors. Strides are kept.
std::string make_pytorch_file(const std::map<std::string, at::Tensor>& tensors, bool zip64 = false);

/// A checkpoint's tensors with Meta's names and rotary order.
std::map<std::string, at::Tensor> meta_tensors(const Checkpoint& checkpoint);

}  // namespace mathtrap

#include "model/pytorch_file.h"

#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "model/pickle.h"
#include "model/zip_file.h"
#include "support/error.h"

namespace mathtrap {
namespace {

using Bytes = std::span<const std::byte>;
using Entries = std::map<std::string, Bytes>;

constexpr std::size_t kMaxPickleBytes = std::size_t{64} << 20;

struct NamedStorage {
  std::string_view name;
  at::ScalarType type;
};

constexpr std::array kStorages = {
    NamedStorage{"DoubleStorage", at::kDouble}, NamedStorage{"FloatStorage", at::kFloat},
    NamedStorage{"HalfStorage", at::kHalf},     NamedStorage{"BFloat16Storage", at::kBFloat16},
    NamedStorage{"LongStorage", at::kLong},     NamedStorage{"IntStorage", at::kInt},
    NamedStorage{"ShortStorage", at::kShort},   NamedStorage{"CharStorage", at::kChar},
    NamedStorage{"ByteStorage", at::kByte},     NamedStorage{"BoolStorage", at::kBool},
};

/// Entries of the zip lie in one folder, named as the file was when it was saved.
std::string archive_folder(const Entries& entries, const std::string& path) {
  constexpr std::string_view kPickle = "/data.pkl";
  for (const auto& [name, bytes] : entries) {
    if (name.ends_with(kPickle) && name.find('/') == name.size() - kPickle.size()) {
      return name.substr(0, name.size() - kPickle.size() + 1);
    }
  }
  fail({path, 0, ""}, "a zip file without data.pkl: torch.save did not write it");
}

void check_byte_order(const Entries& entries, const std::string& folder, const std::string& path) {
  const auto order = entries.find(folder + "byteorder");
  if (order == entries.end()) return;
  const std::string_view text(reinterpret_cast<const char*>(order->second.data()), order->second.size());
  if (text != "little") fail({path, 0, "byteorder"}, "only little-endian files are supported");
}

/// Number of elements from a tensor's first to behind its last; nothing when sizes or strides make no sense.
std::optional<std::int64_t> extent(const PickledTensor& tensor) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 60;
  std::int64_t last = 0;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    if (tensor.shape[i] == 0) return 0;
    if (tensor.strides[i] < 0) return std::nullopt;
    const std::int64_t steps = tensor.shape[i] - 1;
    if (steps != 0 && tensor.strides[i] > (kLargest - last) / steps) return std::nullopt;
    last += steps * tensor.strides[i];
  }
  return last + 1;
}

class TensorReader {
 public:
  TensorReader(const SharedFile& file, const Entries& entries, std::string folder, const std::string& path)
      : file_(file), entries_(entries), folder_(std::move(folder)), path_(path), copy_budget_(file->bytes().size()) {}

  at::Tensor read(const std::string& name, const PickledTensor& tensor) {
    const Place place{path_, 0, name};
    const at::ScalarType type = storage_type(tensor, place);
    const Bytes storage = storage_bytes(tensor, type, place);
    const std::optional<std::int64_t> count = element_count(tensor.shape);
    const std::optional<std::int64_t> needed = count ? extent(tensor) : std::nullopt;
    // More elements than the storage has would be a tensor that repeats some: nothing that a checkpoint holds.
    if (!needed || *count > tensor.storage_elements || tensor.offset < 0 || tensor.offset > tensor.storage_elements ||
        *needed > tensor.storage_elements - tensor.offset) {
      fail(place, fmt::format("shape {} at offset {} does not fit its storage of {} elements", shape_text(tensor.shape),
                              tensor.offset, tensor.storage_elements));
    }
    const std::size_t element_bytes = c10::elementSize(type);
    const Bytes bytes = storage.subspan(static_cast<std::size_t>(tensor.offset) * element_bytes,
                                        static_cast<std::size_t>(*needed) * element_bytes);
    if (*needed == *count && is_contiguous(tensor)) return mapped_tensor(file_, bytes, tensor.shape, type);
    return copy_strided(bytes, tensor, type, place);
  }

 private:
  static at::ScalarType storage_type(const PickledTensor& tensor, const Place& place) {
    const auto* found = std::find_if(kStorages.begin(), kStorages.end(),
                                     [&](const NamedStorage& named) { return named.name == tensor.storage_type; });
    if (found == kStorages.end()) fail(place, fmt::format("{} is not supported", tensor.storage_type));
    return found->type;
  }

  Bytes storage_bytes(const PickledTensor& tensor, at::ScalarType type, const Place& place) const {
    const auto entry = entries_.find(fmt::format("{}data/{}", folder_, tensor.storage_key));
    if (entry == entries_.end()) fail(place, fmt::format("its storage {} is missing", tensor.storage_key));
    const auto elements = static_cast<std::int64_t>(entry->second.size() / c10::elementSize(type));
    if (tensor.storage_elements < 0 || tensor.storage_elements > elements) {
      fail(place, fmt::format("its storage holds {} elements, the pickle says {}", elements, tensor.storage_elements));
    }
    return entry->second;
  }

  static bool is_contiguous(const PickledTensor& tensor) {
    std::int64_t expected = 1;
    for (std::size_t i = tensor.shape.size(); i > 0; --i) {
      if (tensor.shape[i - 1] != 1 && tensor.strides[i - 1] != expected) return false;
      expected *= tensor.shape[i - 1];
    }
    return true;
  }

  /// A transposed tensor is laid out anew. All of these together are no larger than the file.
  at::Tensor copy_strided(Bytes bytes, const PickledTensor& tensor, at::ScalarType type, const Place& place) {
    if (bytes.empty()) return mapped_tensor(file_, bytes, tensor.shape, type);
    const auto needed = static_cast<std::int64_t>(bytes.size() / c10::elementSize(type));
    if (bytes.size() > copy_budget_) fail(place, "more non-contiguous tensors than the file is large");
    copy_budget_ -= bytes.size();
    const at::Tensor flat = mapped_tensor(file_, bytes, {&needed, 1}, type);
    return flat.as_strided(tensor.shape, tensor.strides).contiguous();
  }

  const SharedFile& file_;
  const Entries& entries_;
  std::string folder_;
  const std::string& path_;
  std::size_t copy_budget_;
};

}  // namespace

std::map<std::string, at::Tensor> read_pytorch_file(const SharedFile& file, const std::string& path) {
  const Entries entries = read_zip_directory(file->bytes(), path);
  const std::string folder = archive_folder(entries, path);
  check_byte_order(entries, folder, path);
  const Bytes pickle = entries.at(folder + "data.pkl");
  if (pickle.size() > kMaxPickleBytes) fail({path, 0, "data.pkl"}, "is too large");
  TensorReader reader(file, entries, folder, path);
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : unpickle_tensors(pickle, path)) tensors.emplace(name, reader.read(name, tensor));
  return tensors;
}

std::map<std::string, at::Tensor> read_pytorch_file(const std::string& path) {
  return read_pytorch_file(share_file(path), path);
}

}  // namespace mathtrap

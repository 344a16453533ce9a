#include "model/mapped_tensor.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/TensorOptions.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <functional>

namespace mathtrap {

SharedFile share_file(const std::string& path) {
  return std::make_shared<const MappedFile>(path);
}

std::optional<std::int64_t> element_count(std::span<const std::int64_t> shape) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 62;
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    // An empty tensor's other sizes are bounded too: LibTorch multiplies them for the strides.
    if (size > 1 && count > kLargest / size) return std::nullopt;
    if (size > 0) count *= size;
  }
  for (const std::int64_t size : shape) {
    if (size == 0) return 0;
  }
  return count;
}

at::Tensor mapped_tensor(const SharedFile& file, std::span<const std::byte> bytes, std::span<const std::int64_t> shape,
                         at::ScalarType type) {
  const at::IntArrayRef sizes(shape.data(), shape.size());
  const std::size_t alignment = c10::elementSize(type);
  if (bytes.empty() || reinterpret_cast<std::uintptr_t>(bytes.data()) % alignment != 0) {
    at::Tensor copy = at::empty(sizes, at::TensorOptions(type));
    if (!bytes.empty()) std::memcpy(copy.data_ptr(), bytes.data(), bytes.size());
    return copy;
  }
  // LibTorch has no read-only tensors; nothing writes to weights that were read.
  auto* data = const_cast<std::byte*>(bytes.data());
  return at::from_blob(
      data, sizes, [file](void*) {}, at::TensorOptions(type));
}

void release_pages(const SharedFile& file, std::span<const std::byte> bytes) {
  const std::span<const std::byte> mapped = file->bytes();
  const std::less<> before;
  if (before(bytes.data(), mapped.data()) || !before(bytes.data(), mapped.data() + mapped.size())) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(bytes.data());
  const std::uintptr_t before_page = (page - begin % page) % page;
  if (before_page >= bytes.size()) return;
  const std::span<const std::byte> whole = bytes.subspan(before_page, (bytes.size() - before_page) / page * page);
  // A hint: when it fails, the pages stay resident and nothing else changes.
  if (!whole.empty()) ::madvise(const_cast<std::byte*>(whole.data()), whole.size(), MADV_DONTNEED);
}

void release_pages(const SharedFile& file, const at::Tensor& tensor) {
  release_pages(file, {static_cast<const std::byte*>(tensor.data_ptr()), tensor.nbytes()});
}

void page_out(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.nbytes() == 0) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto* const first = static_cast<std::byte*>(tensor.data_ptr());
  const std::uintptr_t in_page = reinterpret_cast<std::uintptr_t>(first) % page;
  // A hint, which changes no byte: what it does not reach stays where it is.
  ::madvise(first - in_page, tensor.nbytes() + in_page, MADV_PAGEOUT);
}

std::string shape_text(std::span<const std::int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace mathtrap

// Tensors that lie in a mapped file, and what the readers of weights share.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "support/files.h"

namespace mathtrap {

/// A mapped file that tensors share: it stays mapped while one of them lives.
using SharedFile = std::shared_ptr<const MappedFile>;

/// Throws Error when the file cannot be opened.
SharedFile share_file(const std::string& path);

/// The number of elements of a shape; nothing when a size is negative or the product does not fit 62 bits.
std::optional<std::int64_t> element_count(std::span<const std::int64_t> shape);

/// A tensor on `bytes` of the file, contiguous, read only. Requires that the bytes are exactly those of the shape.
/// Bytes that are not aligned for the dtype are copied.
at::Tensor mapped_tensor(const SharedFile& file, std::span<const std::byte> bytes, std::span<const std::int64_t> shape,
                         at::ScalarType type);

/// Says that bytes, or a tensor, of the file were copied and are not needed soon, so that they do not count as resident
/// twice. Does nothing when they lie elsewhere.
void release_pages(const SharedFile& file, std::span<const std::byte> bytes);
void release_pages(const SharedFile& file, const at::Tensor& tensor);

/// Says that a tensor's memory is not needed soon, wherever it lies: pages of a mapped file leave memory at once and
/// are read again when they are looked at. For files larger than memory, part by part.
void page_out(const at::Tensor& tensor);

/// "[4, 3]"
std::string shape_text(std::span<const std::int64_t> shape);

}  // namespace mathtrap

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

/// Says that a tensor of the file was copied and is not needed soon, so that it does not count as resident twice.
/// Does nothing when the tensor lies elsewhere.
void release_pages(const SharedFile& file, const at::Tensor& tensor);

/// Query or key weights [heads * head_dim, in] whose rotary pairs lie side by side (Meta, GGUF), copied into Hugging
/// Face's order: of each head first all first members of pairs, then all second ones.
at::Tensor rotary_halves(const at::Tensor& weight, std::int64_t heads);

/// "[4, 3]"
std::string shape_text(std::span<const std::int64_t> shape);

}  // namespace mathtrap

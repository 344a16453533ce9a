#include "model/gguf_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <utility>

#include "model/byte_reader.h"
#include "support/error.h"

namespace mathtrap {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr std::uint32_t kMaxDimensions = 4;
constexpr std::int64_t kDefaultAlignment = 32;
constexpr std::int64_t kMaxAlignment = 1 << 16;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 40;
// The fewest bytes that one entry takes: bounds on counts.
constexpr std::size_t kMinMetadataBytes = 8 + 4 + 1;
constexpr std::size_t kMinTensorBytes = 8 + 4 + 4 + 8;
constexpr std::size_t kMinStringBytes = 8;

std::size_t bytes_of(GgufType type) {
  switch (type) {
    case GgufType::uint8:
    case GgufType::int8:
    case GgufType::boolean:
      return 1;
    case GgufType::uint16:
    case GgufType::int16:
      return 2;
    case GgufType::uint32:
    case GgufType::int32:
    case GgufType::float32:
      return 4;
    case GgufType::uint64:
    case GgufType::int64:
    case GgufType::float64:
      return 8;
    case GgufType::string:
    case GgufType::array:
      return 0;
  }
  return 0;
}

double widen(float value) {
  return std::strtod(fmt::format("{}", value).c_str(), nullptr);
}

class HeaderReader {
 public:
  HeaderReader(Bytes file, const std::string& path)
      : file_(file), path_(path), reader_(file, {path, 0, ""}, "header") {}

  GgufHeader read() {
    const Place place{path_, 0, ""};
    if (reader_.take_number<std::uint32_t>() != kMagic) fail(place, "not a GGUF file");
    const auto version = reader_.take_number<std::uint32_t>();
    if (version != 2 && version != 3)
      fail(place, fmt::format("GGUF version {} is not supported, 2 and 3 are", version));
    const auto tensors = reader_.take_number<std::uint64_t>();
    const auto metadata = reader_.take_number<std::uint64_t>();
    check_count(metadata, kMinMetadataBytes, "metadata entries");
    for (std::uint64_t i = 0; i < metadata; ++i) read_metadata();
    check_count(tensors, kMinTensorBytes, "tensors");
    for (std::uint64_t i = 0; i < tensors; ++i) read_tensor();
    place_tensors();
    return std::move(header_);
  }

 private:
  /// A tensor's place, as the header gives it: counted from the start of the data, which is known last.
  struct Stored {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };

  void check_count(std::uint64_t count, std::size_t least_bytes, const std::string& what) const {
    if (count > reader_.remaining() / least_bytes) {
      fail({path_, 0, ""}, fmt::format("says that it has {} {}, more than the file can hold", count, what));
    }
  }

  std::string_view take_string() { return reader_.take_text(reader_.take_number<std::uint64_t>()); }

  void read_metadata() {
    const std::string key(take_string());
    const Place place{path_, 0, key};
    GgufValue value = take_value(static_cast<GgufType>(reader_.take_number<std::uint32_t>()), place);
    if (!header_.metadata.emplace(key, std::move(value)).second) fail(place, "is there twice");
  }

  GgufValue take_value(GgufType type, const Place& place) {
    switch (type) {
      case GgufType::uint8:
        return std::int64_t{reader_.take_number<std::uint8_t>()};
      case GgufType::int8:
        return std::int64_t{reader_.take_number<std::int8_t>()};
      case GgufType::uint16:
        return std::int64_t{reader_.take_number<std::uint16_t>()};
      case GgufType::int16:
        return std::int64_t{reader_.take_number<std::int16_t>()};
      case GgufType::uint32:
        return std::int64_t{reader_.take_number<std::uint32_t>()};
      case GgufType::int32:
        return std::int64_t{reader_.take_number<std::int32_t>()};
      case GgufType::uint64: {
        const auto value = reader_.take_number<std::uint64_t>();
        if (value > static_cast<std::uint64_t>(INT64_MAX)) fail(place, fmt::format("{} is too large", value));
        return static_cast<std::int64_t>(value);
      }
      case GgufType::int64:
        return reader_.take_number<std::int64_t>();
      case GgufType::float32:
        return widen(reader_.take_number<float>());
      case GgufType::float64:
        return reader_.take_number<double>();
      case GgufType::boolean:
        return reader_.take_number<std::uint8_t>() != 0;
      case GgufType::string:
        return take_string();
      case GgufType::array:
        return take_array(place);
    }
    fail(place, fmt::format("a value of type {}, which GGUF does not have", static_cast<std::uint32_t>(type)));
  }

  GgufArray take_array(const Place& place) {
    GgufArray array;
    array.type = static_cast<GgufType>(reader_.take_number<std::uint32_t>());
    array.count = reader_.take_number<std::uint64_t>();
    const std::size_t element_bytes = bytes_of(array.type);
    if (element_bytes == 0 && array.type != GgufType::string) {
      fail(place, fmt::format("an array of type {} is not supported", static_cast<std::uint32_t>(array.type)));
    }
    check_count(array.count, element_bytes != 0 ? element_bytes : kMinStringBytes, "elements in " + place.field);
    if (element_bytes != 0) {
      array.numbers = reader_.take(array.count * element_bytes);
      return array;
    }
    for (std::uint64_t i = 0; i < array.count; ++i) array.strings.push_back(take_string());
    return array;
  }

  void read_tensor() {
    GgufTensor tensor;
    tensor.name = take_string();
    const Place place{path_, 0, tensor.name};
    const auto dimensions = reader_.take_number<std::uint32_t>();
    if (dimensions == 0 || dimensions > kMaxDimensions) fail(place, fmt::format("has {} dimensions", dimensions));
    std::int64_t elements = 1;
    for (std::uint32_t i = 0; i < dimensions; ++i) {
      const auto size = reader_.take_number<std::uint64_t>();
      if (size == 0 || size > static_cast<std::uint64_t>(kMaxElements / elements)) {
        fail(place, fmt::format("a size of {} makes no sense", size));
      }
      elements *= static_cast<std::int64_t>(size);
      tensor.shape.push_back(static_cast<std::int64_t>(size));
    }
    const BlockFormat& format = checked_format(reader_.take_number<std::uint32_t>(), place);
    tensor.type = format.type;
    if (tensor.shape.front() % format.elements != 0) {
      fail(place, fmt::format("rows of {} do not fill blocks of {}", tensor.shape.front(), format.elements));
    }
    std::reverse(tensor.shape.begin(), tensor.shape.end());
    stored_.push_back(
        {reader_.take_number<std::uint64_t>(), static_cast<std::uint64_t>(elements / format.elements * format.bytes)});
    header_.tensors.push_back(std::move(tensor));
  }

  static const BlockFormat& checked_format(std::uint32_t number, const Place& place) {
    const BlockFormat* format = find_block_format(number);
    if (format == nullptr) {
      fail(place, fmt::format("tensor type {} is not supported; {} are", number, block_format_names()));
    }
    return *format;
  }

  std::uint64_t alignment() const {
    const auto found = header_.metadata.find("general.alignment");
    if (found == header_.metadata.end()) return kDefaultAlignment;
    const auto* value = std::get_if<std::int64_t>(&found->second);
    if (value == nullptr || *value <= 0 || *value > kMaxAlignment || *value % 8 != 0) {
      fail({path_, 0, "general.alignment"}, "makes no sense");
    }
    return static_cast<std::uint64_t>(*value);
  }

  void place_tensors() {
    if (header_.tensors.empty()) return;
    const std::uint64_t align = alignment();
    const std::uint64_t start = (reader_.position() + align - 1) / align * align;
    const Bytes data = file_.subspan(static_cast<std::size_t>(std::min<std::uint64_t>(start, file_.size())));
    std::vector<std::size_t> order(stored_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t one, std::size_t other) {
      return std::tie(stored_[one].offset, one) < std::tie(stored_[other].offset, other);
    });
    std::uint64_t next = 0;
    for (const std::size_t i : order) {
      const Stored& stored = stored_[i];
      const Place place{path_, 0, header_.tensors[i].name};
      if (stored.offset > data.size() || stored.bytes > data.size() - stored.offset) {
        fail(place, fmt::format("its {} bytes at {} lie outside of the file", stored.bytes, stored.offset));
      }
      if (stored.offset < next) fail(place, "its data overlaps with another tensor's");
      next = stored.offset + stored.bytes;
      header_.tensors[i].bytes =
          data.subspan(static_cast<std::size_t>(stored.offset), static_cast<std::size_t>(stored.bytes));
    }
  }

  Bytes file_;
  const std::string& path_;
  ByteReader reader_;
  GgufHeader header_;
  std::vector<Stored> stored_;  ///< of each tensor in header_
};

}  // namespace

GgufHeader read_gguf_header(std::span<const std::byte> file, const std::string& path) {
  return HeaderReader(file, path).read();
}

}  // namespace mathtrap

#include "model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "model/large_json.h"
#include "model/mapped_tensor.h"
#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

// The header of a 70B model takes 100 KB, that of 50,000 experts' tensors 6 MB.
constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{32} << 20;
constexpr std::size_t kMaxDimensions = 8;
constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kHeaderAlignment = 8;

struct NamedType {
  const char* name;
  at::ScalarType type;
};

constexpr std::array kTypes = {
    NamedType{"F64", at::kDouble},    NamedType{"F32", at::kFloat}, NamedType{"F16", at::kHalf},
    NamedType{"BF16", at::kBFloat16}, NamedType{"I64", at::kLong},  NamedType{"I32", at::kInt},
    NamedType{"I16", at::kShort},     NamedType{"I8", at::kChar},   NamedType{"U8", at::kByte},
    NamedType{"BOOL", at::kBool},
};

/// One tensor as the header describes it; `begin` and `end` count from the start of the data.
struct Entry {
  std::string name;
  at::ScalarType type = at::kFloat;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

at::ScalarType parse_type(const std::string& name, const Place& place) {
  const auto* found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const NamedType& type) { return type.name == name; });
  if (found == kTypes.end()) fail(place, fmt::format("dtype \"{}\" is not supported", name));
  return found->type;
}

const nlohmann::json& field_of(const nlohmann::json& entry, const char* field, bool (*is_right)(const nlohmann::json&),
                               const Place& place) {
  const auto found = entry.find(field);
  if (found == entry.end() || !is_right(*found)) fail(place, fmt::format("{} is missing or of the wrong type", field));
  return *found;
}

bool is_string(const nlohmann::json& value) {
  return value.is_string();
}

bool is_size_list(const nlohmann::json& value) {
  const auto is_size = [](const nlohmann::json& size) {
    return size.is_number_unsigned() && size.get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX);
  };
  return value.is_array() && value.size() <= kMaxDimensions && std::all_of(value.begin(), value.end(), is_size);
}

Entry parse_entry(const std::string& name, const nlohmann::json& json, std::uint64_t data_bytes,
                  const std::string& path) {
  const Place place{path, 0, name};
  if (!json.is_object()) fail(place, "a JSON object is wanted");
  Entry entry;
  entry.name = name;
  entry.type = parse_type(field_of(json, "dtype", is_string, place).get<std::string>(), place);
  entry.shape = field_of(json, "shape", is_size_list, place).get<std::vector<std::int64_t>>();
  const auto places = field_of(json, "data_offsets", is_size_list, place).get<std::vector<std::uint64_t>>();
  if (places.size() != 2) fail(place, "data_offsets does not hold two numbers");
  entry.begin = places[0];
  entry.end = places[1];
  if (entry.begin > entry.end || entry.end > data_bytes) {
    fail(place, fmt::format("data_offsets [{}, {}] do not lie in the file's {} bytes of data", entry.begin, entry.end,
                            data_bytes));
  }
  const std::optional<std::int64_t> count = element_count(entry.shape);
  const std::uint64_t bytes = entry.end - entry.begin;
  const std::uint64_t element_bytes = c10::elementSize(entry.type);
  if (!count || bytes % element_bytes != 0 || static_cast<std::uint64_t>(*count) != bytes / element_bytes) {
    fail(place, fmt::format("dtype and shape {} do not agree with its {} bytes", shape_text(entry.shape), bytes));
  }
  return entry;
}

/// The header's bytes, after its length was checked.
std::string_view header_text(std::span<const std::byte> bytes, const std::string& path) {
  const Place place{path, 0, ""};
  if (bytes.size() < kLengthBytes) fail(place, "too short for a safetensors file");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > bytes.size() - kLengthBytes) {
    fail(place,
         fmt::format("its header of {} bytes is longer than the file: damaged, or not a safetensors file", length));
  }
  if (length > kMaxHeaderBytes) fail(place, fmt::format("its header of {} bytes is too large", length));
  return {reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, static_cast<std::size_t>(length)};
}

/// Each byte of the data belongs to exactly one tensor.
void check_places(std::vector<Entry>& entries, std::uint64_t data_bytes, const std::string& path) {
  std::sort(entries.begin(), entries.end(), [](const Entry& one, const Entry& other) {
    return std::tie(one.begin, one.end, one.name) < std::tie(other.begin, other.end, other.name);
  });
  std::uint64_t next = 0;
  for (const Entry& entry : entries) {
    if (entry.begin < next) fail({path, 0, entry.name}, "its data overlaps with another tensor's");
    if (entry.begin > next) fail({path, 0, entry.name}, fmt::format("{} unused bytes before it", entry.begin - next));
    next = entry.end;
  }
  if (next != data_bytes) {
    fail({path, 0, ""}, fmt::format("{} bytes behind the last tensor belong to none", data_bytes - next));
  }
}

const char* type_name(at::ScalarType type, const Place& place) {
  const auto* found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const NamedType& named) { return named.type == type; });
  if (found == kTypes.end()) fail(place, fmt::format("dtype {} cannot be written", c10::toString(type)));
  return found->name;
}

using NamedTensor = std::pair<std::string, at::Tensor>;

/// Wide elements first, so that every tensor is aligned; then by name.
std::vector<NamedTensor> file_order(const std::map<std::string, at::Tensor>& tensors) {
  std::vector<NamedTensor> ordered(tensors.begin(), tensors.end());
  std::stable_sort(ordered.begin(), ordered.end(), [](const NamedTensor& one, const NamedTensor& other) {
    return one.second.element_size() > other.second.element_size();
  });
  return ordered;
}

std::string make_header(const std::vector<NamedTensor>& tensors, const std::map<std::string, std::string>& metadata,
                        const std::string& path) {
  nlohmann::json json = nlohmann::json::object();
  if (!metadata.empty()) json["__metadata__"] = metadata;
  std::size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::size_t end = offset + tensor.nbytes();
    json[name] = {{"dtype", type_name(tensor.scalar_type(), {path, 0, name})},
                  {"shape", tensor.sizes().vec()},
                  {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string header = json.dump();
  header.resize((header.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  return header;
}

}  // namespace

std::map<std::string, at::Tensor> read_safetensors(const std::string& path) {
  const SharedFile file = share_file(path);
  const std::string_view header = header_text(file->bytes(), path);
  const std::span<const std::byte> data = file->bytes().subspan(kLengthBytes + header.size());
  const nlohmann::json json = parse_large_json(header, {path, 0, "header"});
  if (!json.is_object()) fail({path, 0, "header"}, "a JSON object is wanted");
  std::vector<Entry> entries;
  for (const auto& [name, entry] : json.items()) {
    if (name != "__metadata__") entries.push_back(parse_entry(name, entry, data.size(), path));
  }
  check_places(entries, data.size(), path);
  std::map<std::string, at::Tensor> tensors;
  for (const Entry& entry : entries) {
    const auto bytes =
        data.subspan(static_cast<std::size_t>(entry.begin), static_cast<std::size_t>(entry.end - entry.begin));
    tensors.emplace(entry.name, mapped_tensor(file, bytes, entry.shape, entry.type));
  }
  return tensors;
}

void write_safetensors(const std::string& path, const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::vector<NamedTensor> ordered = file_order(tensors);
  const std::string header = make_header(ordered, metadata, path);
  const std::uint64_t length = header.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(std::string_view(header));
  for (const auto& [name, tensor] : ordered) {
    const at::Tensor bytes = tensor.detach().cpu().contiguous();
    file.write(std::span(static_cast<const std::byte*>(bytes.data_ptr()), bytes.nbytes()));
  }
  file.commit();
}

}  // namespace mathtrap

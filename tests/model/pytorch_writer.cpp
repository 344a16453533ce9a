#include "tests/model/pytorch_writer.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <cstdint>

#include "tests/model/byte_writer.h"

namespace mathtrap {
namespace {

constexpr std::uint32_t kInZip64 = 0xffffffff;

/// What a local header and a directory entry have in common. The checksum is left out: nobody checks it here.
void write_common(ByteWriter& to, std::size_t size, const std::string& name, std::size_t extra_bytes, bool zip64) {
  const std::uint32_t size32 = zip64 ? kInZip64 : static_cast<std::uint32_t>(size);
  to.number(std::uint16_t{20}).number(std::uint16_t{0}).number(std::uint16_t{0});  // version, flags, stored
  to.number(std::uint32_t{0}).number(std::uint32_t{0});                            // time, checksum
  to.number(size32).number(size32);
  to.number(static_cast<std::uint16_t>(name.size())).number(static_cast<std::uint16_t>(extra_bytes));
}

std::string zip64_extra(std::size_t size, std::size_t offset) {
  ByteWriter extra;
  extra.number(std::uint16_t{1}).number(std::uint16_t{24});
  extra.number(std::uint64_t{size}).number(std::uint64_t{size}).number(std::uint64_t{offset});
  return extra.bytes();
}

const char* storage_name(at::ScalarType type) {
  switch (type) {
    case at::kHalf:
      return "HalfStorage";
    case at::kBFloat16:
      return "BFloat16Storage";
    case at::kLong:
      return "LongStorage";
    default:
      return "FloatStorage";
  }
}

}  // namespace

std::string make_zip(const ZipEntries& entries, bool zip64) {
  constexpr std::size_t kDirectoryEntryBytes = 46;
  constexpr std::size_t kLocalHeaderBytes = 30;
  constexpr std::size_t kAlignment = 64;  // as PyTorch aligns storages
  ByteWriter file;
  ByteWriter directory;
  for (const auto& [name, bytes] : entries) {
    const std::size_t offset = file.size();
    const std::size_t unpadded = offset + kLocalHeaderBytes + name.size();
    const std::size_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
    file.text("PK\x03\x04");
    write_common(file, bytes.size(), name, padding, zip64);
    file.text(name).text(std::string(padding, '\0')).text(bytes);
    const std::string extra = zip64 ? zip64_extra(bytes.size(), offset) : "";
    directory.text("PK\x01\x02").number(std::uint16_t{20});
    write_common(directory, bytes.size(), name, extra.size(), zip64);
    directory.text(std::string(10, '\0'));  // comment's length, disk, attributes
    directory.number(zip64 ? kInZip64 : static_cast<std::uint32_t>(offset)).text(name).text(extra);
    static_assert(kDirectoryEntryBytes == 4 + 2 + 26 + 10 + 4);
  }
  const std::size_t start = file.size();
  file.text(directory.bytes());
  if (zip64) {
    const std::size_t end = file.size();
    file.text("PK\x06\x06").number(std::uint64_t{44}).text(std::string(20, '\0'));
    file.number(std::uint64_t{entries.size()}).number(std::uint64_t{directory.size()}).number(std::uint64_t{start});
    file.text("PK\x06\x07").number(std::uint32_t{0}).number(std::uint64_t{end}).number(std::uint32_t{1});
  }
  const auto count = static_cast<std::uint16_t>(zip64 ? 0xffff : entries.size());
  file.text("PK\x05\x06").number(std::uint32_t{0}).number(count).number(count);
  file.number(zip64 ? kInZip64 : static_cast<std::uint32_t>(directory.size()));
  file.number(zip64 ? kInZip64 : static_cast<std::uint32_t>(start)).number(std::uint16_t{0});
  return file.bytes();
}

PickleWriter& PickleWriter::raw(std::string_view bytes) {
  bytes_ += bytes;
  return *this;
}

PickleWriter& PickleWriter::string(std::string_view text) {
  ByteWriter writer;
  return raw(writer.text("X").number(static_cast<std::uint32_t>(text.size())).text(text).bytes());
}

PickleWriter& PickleWriter::integer(std::int64_t value) {
  ByteWriter writer;
  return raw(writer.text("\x8a\x08").number(value).bytes());
}

PickleWriter& PickleWriter::global(std::string_view module, std::string_view name) {
  return raw(fmt::format("c{}\n{}\n", module, name));
}

PickleWriter& PickleWriter::tuple(const std::vector<std::int64_t>& values) {
  raw("(");
  for (const std::int64_t value : values) integer(value);
  return raw("t");
}

PickleWriter& PickleWriter::tensor(std::string_view type, std::string_view key, std::int64_t elements,
                                   std::int64_t offset, const std::vector<std::int64_t>& shape,
                                   const std::vector<std::int64_t>& strides) {
  global("torch._utils", "_rebuild_tensor_v2").raw("((").string("storage").global("torch", type).string(key);
  string("cpu").integer(elements).raw("tQ").integer(offset).tuple(shape).tuple(strides).raw("\x89");
  return global("collections", "OrderedDict").raw(")RtR");
}

std::string pickle_of(const std::map<std::string, at::Tensor>& tensors) {
  PickleWriter pickle;
  pickle.raw("\x80\x02").raw("}(");
  int key = 0;
  for (const auto& [name, tensor] : tensors) {
    pickle.string(name).tensor(storage_name(tensor.scalar_type()), std::to_string(key++), tensor.numel(), 0,
                               tensor.sizes().vec(), tensor.strides().vec());
  }
  return pickle.raw("u.").bytes();
}

std::string make_pytorch_file(const std::map<std::string, at::Tensor>& tensors, bool zip64) {
  ZipEntries entries = {{"saved/data.pkl", pickle_of(tensors)}, {"saved/byteorder", "little"}};
  int key = 0;
  for (const auto& [name, tensor] : tensors) {
    entries.emplace_back(fmt::format("saved/data/{}", key++),
                         std::string(static_cast<const char*>(tensor.data_ptr()), tensor.nbytes()));
  }
  return make_zip(entries, zip64);
}

std::map<std::string, at::Tensor> meta_tensors(const Checkpoint& checkpoint) {
  static const std::vector<std::pair<std::string, std::string>> renamed = {
      {"model.embed_tokens", "tok_embeddings"},
      {"model.norm", "norm"},
      {"lm_head", "output"},
      {"model.layers.", "layers."},
      {"input_layernorm", "attention_norm"},
      {"post_attention_layernorm", "ffn_norm"},
      {"self_attn.q_proj", "attention.wq"},
      {"self_attn.k_proj", "attention.wk"},
      {"self_attn.v_proj", "attention.wv"},
      {"self_attn.o_proj", "attention.wo"},
      {"mlp.gate_proj", "feed_forward.w1"},
      {"mlp.up_proj", "feed_forward.w3"},
      {"mlp.down_proj", "feed_forward.w2"},
  };
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    std::string other = name;
    for (const auto& [from, to] : renamed) {
      const std::size_t at = other.find(from);
      if (at != std::string::npos) other.replace(at, from.size(), to);
    }
    at::Tensor laid_out = tensor.clone();
    const bool is_rotated = other.ends_with("wq.weight") || other.ends_with("wk.weight");
    for (std::int64_t row = 0; is_rotated && row < tensor.size(0); ++row) {
      const std::int64_t half = checkpoint.config.head_dim / 2;
      const std::int64_t in_head = row % (2 * half);
      laid_out.select(0, row).copy_(tensor.select(0, row - in_head + in_head % 2 * half + in_head / 2));
    }
    tensors[other] = laid_out;
  }
  return tensors;
}

}  // namespace mathtrap

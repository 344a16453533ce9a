#include "model/zip_file.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "model/byte_reader.h"
#include "support/error.h"

namespace mathtrap {
namespace {

// Signatures and sizes of the zip format's records (PKWARE APPNOTE 4.3).
constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kDirectoryEntry = 0x02014b50;
constexpr std::uint32_t kDirectoryEnd = 0x06054b50;
constexpr std::uint32_t kZip64DirectoryEnd = 0x06064b50;
constexpr std::uint32_t kZip64Locator = 0x07064b50;
constexpr std::size_t kDirectoryEndBytes = 22;
constexpr std::size_t kZip64LocatorBytes = 20;
constexpr std::size_t kMaxCommentBytes = 0xffff;
constexpr std::uint16_t kZip64Extra = 1;
constexpr std::uint16_t kEncrypted = 1;
constexpr std::uint32_t kInZip64 = 0xffffffff;  // this 32-bit field stands in the zip64 record

using Bytes = std::span<const std::byte>;

struct Directory {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;
};

struct Entry {
  std::string name;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  ///< of the local header
};

Bytes part(Bytes file, std::uint64_t offset, std::uint64_t size, const std::string& what, const std::string& path) {
  if (offset > file.size() || size > file.size() - offset) {
    fail({path, 0, ""}, fmt::format("{} lies outside of the file", what));
  }
  return file.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
}

/// Offset of the record that ends the file, behind which only a comment may follow.
std::size_t find_directory_end(Bytes file, const std::string& path) {
  const std::size_t earliest =
      file.size() > kDirectoryEndBytes + kMaxCommentBytes ? file.size() - kDirectoryEndBytes - kMaxCommentBytes : 0;
  for (std::size_t end = file.size(); end >= earliest + kDirectoryEndBytes; --end) {
    const std::size_t at = end - kDirectoryEndBytes;
    std::uint32_t signature = 0;
    std::memcpy(&signature, file.data() + at, sizeof(signature));
    if (signature == kDirectoryEnd) return at;
  }
  fail({path, 0, ""}, "damaged, or not a PyTorch zip file (those older than PyTorch 1.6 are not supported)");
}

Directory find_zip64_directory(Bytes file, std::size_t end, const std::string& path) {
  if (end < kZip64LocatorBytes) fail({path, 0, ""}, "the zip64 record is missing");
  ByteReader locator(file.subspan(end - kZip64LocatorBytes, kZip64LocatorBytes), {path, 0, ""}, "zip64 record");
  if (locator.take_number<std::uint32_t>() != kZip64Locator) fail({path, 0, ""}, "the zip64 record is missing");
  locator.take(4);  // number of the disk
  const auto offset = locator.take_number<std::uint64_t>();
  constexpr std::uint64_t kZip64EndBytes = 56;
  ByteReader record(part(file, offset, kZip64EndBytes, "the zip64 record", path), {path, 0, ""}, "zip64 record");
  if (record.take_number<std::uint32_t>() != kZip64DirectoryEnd) fail({path, 0, ""}, "the zip64 record is missing");
  record.take(28);  // its size, versions, disks, entries on this disk
  Directory directory;
  directory.entries = record.take_number<std::uint64_t>();
  directory.bytes = record.take_number<std::uint64_t>();
  directory.offset = record.take_number<std::uint64_t>();
  return directory;
}

Directory find_directory(Bytes file, const std::string& path) {
  const std::size_t end = find_directory_end(file, path);
  ByteReader record(file.subspan(end), {path, 0, ""}, "zip directory");
  record.take(10);  // signature, disks, entries on this disk
  Directory directory;
  directory.entries = record.take_number<std::uint16_t>();
  directory.bytes = record.take_number<std::uint32_t>();
  directory.offset = record.take_number<std::uint32_t>();
  if (directory.entries == 0xffff || directory.bytes == kInZip64 || directory.offset == kInZip64) {
    return find_zip64_directory(file, end, path);
  }
  return directory;
}

/// Fills in what an entry keeps in its zip64 field, in the order of the format.
void read_zip64_extra(Bytes extra, Entry& entry, std::uint64_t& stored, const std::string& path) {
  ByteReader reader(extra, {path, 0, entry.name}, "entry's extra field");
  while (reader.remaining() >= 4) {
    const auto id = reader.take_number<std::uint16_t>();
    ByteReader field(reader.take(reader.take_number<std::uint16_t>()), {path, 0, entry.name}, "entry's zip64 field");
    if (id != kZip64Extra) continue;
    for (std::uint64_t* value : {&entry.size, &stored, &entry.offset}) {
      if (*value == kInZip64) *value = field.take_number<std::uint64_t>();
    }
  }
}

Entry read_entry(ByteReader& directory, const std::string& path) {
  const Place place{path, 0, ""};
  if (directory.take_number<std::uint32_t>() != kDirectoryEntry) fail(place, "the zip directory is damaged");
  directory.take(4);  // versions
  const auto flags = directory.take_number<std::uint16_t>();
  const auto method = directory.take_number<std::uint16_t>();
  directory.take(8);  // time, date, checksum
  std::uint64_t stored = directory.take_number<std::uint32_t>();
  Entry entry;
  entry.size = directory.take_number<std::uint32_t>();
  const auto name_bytes = directory.take_number<std::uint16_t>();
  const auto extra_bytes = directory.take_number<std::uint16_t>();
  const auto comment_bytes = directory.take_number<std::uint16_t>();
  directory.take(8);  // disk, attributes
  entry.offset = directory.take_number<std::uint32_t>();
  entry.name = directory.take_text(name_bytes);
  read_zip64_extra(directory.take(extra_bytes), entry, stored, path);
  directory.take(comment_bytes);
  if ((flags & kEncrypted) != 0) fail({path, 0, entry.name}, "the zip entry is encrypted");
  if (method != 0 || stored != entry.size) fail({path, 0, entry.name}, "the zip entry is compressed; PyTorch stores");
  return entry;
}

Bytes entry_bytes(Bytes file, const Entry& entry, const std::string& path) {
  constexpr std::uint64_t kLocalHeaderBytes = 30;
  const std::string what = fmt::format("the zip entry {}", entry.name);
  ByteReader header(part(file, entry.offset, kLocalHeaderBytes, what, path), {path, 0, entry.name}, "zip entry");
  if (header.take_number<std::uint32_t>() != kLocalHeader) fail({path, 0, entry.name}, "the zip entry is damaged");
  header.take(22);  // what the directory repeats
  const std::uint64_t name_bytes = header.take_number<std::uint16_t>();
  const std::uint64_t extra_bytes = header.take_number<std::uint16_t>();
  return part(file, entry.offset + kLocalHeaderBytes + name_bytes + extra_bytes, entry.size, what, path);
}

}  // namespace

std::map<std::string, Bytes> read_zip_directory(Bytes file, const std::string& path) {
  const Directory directory = find_directory(file, path);
  ByteReader reader(part(file, directory.offset, directory.bytes, "the zip directory", path), {path, 0, ""},
                    "zip directory");
  std::map<std::string, Bytes> entries;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    const Entry entry = read_entry(reader, path);
    if (!entries.emplace(entry.name, entry_bytes(file, entry, path)).second) {
      fail({path, 0, entry.name}, "the zip entry is there twice");
    }
  }
  return entries;
}

}  // namespace mathtrap

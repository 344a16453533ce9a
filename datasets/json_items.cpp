#include "datasets/json_items.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <utility>

#include "datasets/json_array_scanner.h"
#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{256} << 20;  // of an array, which is held whole
constexpr std::size_t kMaxItemBytes = std::size_t{16} << 20;
constexpr std::size_t kStartBytes = 4096;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::string_view kBlanks = " \t\r\n";

std::string too_long() {
  return fmt::format("longer than the {} bytes of a record that are read here", kMaxItemBytes);
}

std::string read_start(const std::string& path) {
  if (!std::filesystem::exists(path)) throw Error(fmt::format("{}: no such file", path));
  if (std::filesystem::is_directory(path)) throw Error(fmt::format("{}: is a folder, a file is wanted", path));
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(fmt::format("{}: cannot open it", path));
  std::string start(kStartBytes, '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<std::size_t>(file.gcount()));
  return start;
}

std::string_view without_mark(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

/// Files that people take for JSON would else fail with a message about a character.
void refuse_other_kinds(std::string_view start, const std::string& path) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kKinds = {{
      {"version https://git-lfs", "a Git LFS pointer, not the data; fetch it with `git lfs pull`"},
      {"\xff\xfe", "UTF-16; UTF-8 is wanted"},
      {"\xfe\xff", "UTF-16; UTF-8 is wanted"},
      {"PAR1", "Parquet; JSON is wanted"},
      {"PK\x03\x04", "a ZIP archive; unpack it"},
      {"\x1f\x8b", "compressed; unpack it"},
  }};
  for (const auto& [magic, what] : kKinds) {
    if (start.starts_with(magic)) throw Error(fmt::format("{}: is {}", path, what));
  }
}

/// One object over several lines is neither an array nor lines: what a user calls .json and we cannot take apart.
void refuse_lone_object(std::string_view start, const std::string& path) {
  if (!path.ends_with(".json")) return;
  const std::size_t end = start.find('\n');
  if (end == std::string_view::npos && start.size() >= kStartBytes) return;
  std::string_view first = start.substr(0, end);
  first = first.substr(0, first.find_last_not_of(kBlanks) + 1);
  if (!first.ends_with('}')) throw Error(fmt::format("{}:1: a JSON array is wanted, or one object a line", path));
}

void for_each_array_item(const std::string& path, const std::function<void(const JsonItem& item)>& item) {
  const std::string text = read_file(path, kMaxFileBytes);
  JsonArrayScanner scanner(without_mark(text));
  while (const auto next = scanner.next()) {
    item(next->text.size() <= kMaxItemBytes ? *next : JsonItem{{}, next->line, too_long()});
  }
}

void for_each_line_item(const std::string& path, const std::function<void(const JsonItem& item)>& item) {
  const auto line = [&](std::string_view text, std::size_t number) {
    if (number == 1) text = without_mark(text);
    if (text.find_first_not_of(kBlanks) != std::string_view::npos) item({text, number, ""});
  };
  for_each_line(path, line, kMaxItemBytes, [&](std::size_t number) { item({{}, number, too_long()}); });
}

}  // namespace

void for_each_json_item(const std::string& path, const std::function<void(const JsonItem& item)>& item) {
  const std::string read = read_start(path);
  refuse_other_kinds(read, path);
  std::string_view start = without_mark(read);
  const std::size_t begin = start.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos && read.size() < kStartBytes) {
    throw Error(fmt::format("{}: no records are there: the file is empty", path));
  }
  start.remove_prefix(begin == std::string_view::npos ? start.size() : begin);
  if (start.starts_with('[')) return for_each_array_item(path, item);
  refuse_lone_object(start, path);
  for_each_line_item(path, item);
}

}  // namespace mathtrap

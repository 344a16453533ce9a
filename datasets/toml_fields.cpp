#include "datasets/toml_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "datasets/field_names.h"
#include "support/files.h"

namespace mathtrap {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 20;  // an authored file is a few kilobytes
constexpr std::size_t kMaxItems = 10'000;                        // of one list
constexpr std::size_t kMaxDots = 64;                             // between separators of TOML: the parts of a key

/// toml++ makes a nested table of each part of a dotted key, without a bound, and frees them by recursion: a long key
/// would exhaust the stack. No text of ours comes near the bound either, so this need not know strings from keys.
void refuse_long_keys(std::string_view text, const std::string& path) {
  constexpr std::string_view kSeparators = "\n=[{,";
  std::size_t dots = 0;
  std::size_t line = 1;
  for (const char c : text) {
    if (c == '\n') ++line;
    if (kSeparators.find(c) != std::string_view::npos) dots = 0;
    if (c == '.' && ++dots > kMaxDots) fail({path, line, ""}, fmt::format("more than {} dots in a row", kMaxDots));
  }
}

std::string dotted(const TomlTable& table, std::string_view key) {
  return table.field.empty() ? std::string(key) : fmt::format("{}.{}", table.field, key);
}

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of("\r\n");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of("\r\n") - begin + 1));
}

std::string text_of(const toml::node& node, const Place& place) {
  if (!node.is_string()) fail(place, "a string is wanted");
  std::string text = trimmed(node.as_string()->get());
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) fail(place, "the text is empty");
  return text;
}

}  // namespace

toml::table read_toml_file(const std::string& path) {
  const std::string text = read_file(path, kMaxFileBytes);
  refuse_long_keys(text, path);
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    fail({path, error.source().begin.line, ""}, fmt::format("not valid TOML: {}", error.description()));
  }
}

Place place_of(const TomlTable& table, std::string_view key) {
  const toml::node* node = table.table->get(key);
  const toml::source_region& source = node != nullptr ? node->source() : table.table->source();
  return {table.file, source.begin.line, dotted(table, key)};
}

Place place_of(const TomlTable& table) {
  return {table.file, table.table->source().begin.line, table.field};
}

void refuse_unknown(const TomlTable& table, const std::vector<std::string>& known) {
  for (const auto& [key, value] : *table.table) {
    if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
    fail({table.file, value.source().begin.line, table.field}, describe_unknown("field", key.str(), known));
  }
}

std::string required_text(const TomlTable& table, std::string_view key) {
  const toml::node* node = table.table->get(key);
  if (node == nullptr) fail(place_of(table, key), "the field is missing");
  return text_of(*node, place_of(table, key));
}

std::string optional_text(const TomlTable& table, std::string_view key) {
  return table.table->contains(key) ? required_text(table, key) : "";
}

std::vector<std::string> text_list(const TomlTable& table, std::string_view key) {
  const toml::node* node = table.table->get(key);
  if (node == nullptr) return {};
  const Place place = place_of(table, key);
  if (node->is_string()) return {text_of(*node, place)};
  if (!node->is_array()) fail(place, "a string or a list of strings is wanted");
  const toml::array& items = *node->as_array();
  if (items.empty()) fail(place, "the list is empty");
  if (items.size() > kMaxItems) fail(place, fmt::format("the list has more than {} items", kMaxItems));
  std::vector<std::string> texts;
  for (const toml::node& item : items)
    texts.push_back(text_of(item, {place.file, item.source().begin.line, place.field}));
  return texts;
}

bool required_bool(const TomlTable& table, std::string_view key) {
  const toml::node* node = table.table->get(key);
  if (node == nullptr) fail(place_of(table, key), "the field is missing");
  if (!node->is_boolean()) fail(place_of(table, key), "true or false is wanted");
  return node->as_boolean()->get();
}

std::optional<TomlTable> subtable(const TomlTable& table, std::string_view key) {
  const toml::node* node = table.table->get(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_table()) fail(place_of(table, key), fmt::format("a table is wanted: [{}]", dotted(table, key)));
  return TomlTable{node->as_table(), table.file, dotted(table, key)};
}

std::vector<TomlTable> subtables(const TomlTable& table, std::string_view key) {
  const toml::node* node = table.table->get(key);
  if (node == nullptr) return {};
  const Place place = place_of(table, key);
  if (!node->is_array()) fail(place, fmt::format("an array of tables is wanted: [[{}]]", place.field));
  const toml::array& items = *node->as_array();
  if (items.size() > kMaxItems) fail(place, fmt::format("the list has more than {} items", kMaxItems));
  std::vector<TomlTable> tables;
  for (const toml::node& item : items) {
    if (!item.is_table()) fail(place, fmt::format("an array of tables is wanted: [[{}]]", place.field));
    tables.push_back({item.as_table(), table.file, fmt::format("{}[{}]", place.field, tables.size())});
  }
  return tables;
}

std::vector<std::string> keys_in_file_order(const TomlTable& table) {
  std::vector<std::pair<toml::source_position, std::string>> found;
  for (const auto& [key, value] : *table.table) found.emplace_back(value.source().begin, std::string(key.str()));
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> keys;
  for (auto& [position, key] : found) keys.push_back(std::move(key));
  return keys;
}

}  // namespace mathtrap

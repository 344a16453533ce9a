// TOML from outside: parsed within bounds, read field by field; every error names file, line and field.
#pragma once

#include <toml++/toml.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/error.h"

namespace mathtrap {

/// A table of a file, with the place that errors name. It refers to the parsed file, which must outlive it.
struct TomlTable {
  const toml::table* table = nullptr;
  std::string file;
  std::string field;  ///< dotted path from the root; empty for the root itself
};

/// Reads and parses a file of at most 1 MiB, UTF-8. Throws Error: unreadable, too large, too deeply nested, not TOML.
toml::table read_toml_file(const std::string& path);

/// The place of a field, whether it is there or not (then the table's).
Place place_of(const TomlTable& table, std::string_view key);
Place place_of(const TomlTable& table);

/// Throws Error when the table has a field that is not in `known`, with the nearest known name.
void refuse_unknown(const TomlTable& table, const std::vector<std::string>& known);

/// A string; outer line breaks are trimmed. Throws Error when it is absent, no string, or blank.
std::string required_text(const TomlTable& table, std::string_view key);
/// The same, but empty when it is absent.
std::string optional_text(const TomlTable& table, std::string_view key);
/// A string or a list of strings, none of them blank; empty when absent.
std::vector<std::string> text_list(const TomlTable& table, std::string_view key);
bool required_bool(const TomlTable& table, std::string_view key);

/// A table below; nothing when it is absent. Throws Error when it is something else.
std::optional<TomlTable> subtable(const TomlTable& table, std::string_view key);
/// An array of tables (`[[key]]`); empty when absent. Their fields are "key[0]", "key[1]", …
std::vector<TomlTable> subtables(const TomlTable& table, std::string_view key);

/// The keys in the order of the file (toml++ sorts them by name).
std::vector<std::string> keys_in_file_order(const TomlTable& table);

}  // namespace mathtrap

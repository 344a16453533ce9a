// The one table of the sets that are read: how each is called, by which fields it is recognised, who imports it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "datasets/importers.h"

namespace mathtrap {

/// One kind of object. A set whose files or objects differ has several, under one name.
struct ImportFormat {
  std::string_view name;
  std::vector<std::string_view> fields;  ///< an object that has all of them is of this kind
  Imported (*import)(const Json& object, const Place& place);
};

/// The names, in the order of the table.
const std::vector<std::string>& import_format_names();

/// Throws Error when no format is called so.
void check_import_format(std::string_view name);

/// The first kind whose fields the object has; nullptr where it has those of none.
const ImportFormat* recognise_format(const Json& object);

/// Of the kinds under a name, the one whose fields the object has, or else has most of: its importer will say what is
/// missing.
const ImportFormat& nearest_format(std::string_view name, const Json& object);

}  // namespace mathtrap

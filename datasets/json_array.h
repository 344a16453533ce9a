// The objects of a JSON array, one by one with their lines: a whole benchmark in one array still gets errors that name
// a line.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "support/error.h"

namespace mathtrap {

/// Calls `item(text, line)` for each element of the array that `text` holds; elements are not parsed here.
/// Throws Error naming the file and line when `text` is not one array.
void for_each_json_item(std::string_view text, const std::string& file,
                        const std::function<void(std::string_view text, std::size_t line)>& item);

}  // namespace mathtrap

// The records of a JSON file from outside, one by one with their lines, not yet parsed: the elements of an array, or
// one object a line. What is broken is told in its place, and the good ones around it still come.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace mathtrap {

struct JsonItem {
  std::string_view text;  ///< empty when there is a problem
  std::size_t line = 0;   ///< where it begins; with a problem: where that shows
  std::string problem;    ///< why its text cannot be had: too long, an array that is never closed
};

/// Whether a file holds an array or lines is seen from its first character; a byte order mark and CRLF are accepted.
/// After a broken element of an array the next is sought: the next line that begins as the broken element's did.
/// Throws Error when the file cannot be read, is empty, too large, or of another kind that is easily taken for one
/// (UTF-16, Parquet, an archive, a Git LFS pointer).
void for_each_json_item(const std::string& path, const std::function<void(const JsonItem& item)>& item);

}  // namespace mathtrap

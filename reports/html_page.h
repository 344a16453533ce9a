// The frame of every page: escaping, cells, and a policy under which nothing is loaded.
#pragma once

#include <string>
#include <string_view>

namespace mathtrap {

/// Text within HTML, quotes included.
std::string escape_html(std::string_view text);

/// A table cell. `html` is put in as it is.
std::string html_cell(const std::string& html, bool number);

/// A whole page with the style of reports/page/. `title` is escaped already; `body` is put in <main>, `after` behind it
/// (scripts). The page forbids itself to load anything. Throws Error when the style is not there.
std::string html_page(const std::string& title, const std::string& body, const std::string& after);

}  // namespace mathtrap

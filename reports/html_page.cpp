#include "reports/html_page.h"

#include <fmt/format.h>

#include "support/files.h"

namespace mathtrap {

std::string escape_html(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string html_cell(const std::string& html, bool number) {
  return fmt::format("<td{}>{}</td>", number ? " class=\"number\"" : "", html);
}

std::string html_page(const std::string& title, const std::string& body, const std::string& after) {
  // Nothing is loaded from anywhere, whatever a reply may hold.
  return R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>)" +
         title + " · mathtrap</title>\n<style>\n" + read_file(resource("reports/page/page.css")) +
         "</style></head>\n<body><main>\n" + body + "\n</main>\n" + after + "</body></html>\n";
}

}  // namespace mathtrap

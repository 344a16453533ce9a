#include "traps/lint/latex_balance.h"

#include <cctype>
#include <cstddef>
#include <vector>

namespace mathtrap {
namespace {

/// The letters of the command whose backslash stands before `at`.
std::string_view command_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && std::isalpha(static_cast<unsigned char>(text[end])) != 0) ++end;
  return text.substr(at, end - at);
}

/// "{name}" at `at` gives "name".
std::string environment_at(std::string_view text, std::size_t at) {
  if (at >= text.size() || text[at] != '{') return "";
  const std::size_t close = text.find('}', at);
  return close == std::string_view::npos ? "" : std::string(text.substr(at + 1, close - at - 1));
}

}  // namespace

std::string unbalanced_latex(std::string_view text) {
  std::vector<std::string> open;  // "{", "$", "\left", and the names of environments
  const auto close = [&](const std::string& opener) {
    if (open.empty() || open.back() != opener) return false;
    open.pop_back();
    return true;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      const std::string_view command = command_at(text, i + 1);
      if (command == "left") open.emplace_back("\\left");
      if (command == "right" && !close("\\left")) return "a \\right without its \\left";
      if (command == "begin") open.push_back(environment_at(text, i + 6));
      if (command == "end" && !close(environment_at(text, i + 4))) return "an \\end without its \\begin";
      i += command.empty() ? 1 : command.size();  // also past \{, \} and \$
    } else if (c == '{') {
      open.emplace_back("{");
    } else if (c == '}') {
      if (!close("{")) return "a '}' without its '{'";
    } else if (c == '$') {
      const std::size_t width = i + 1 < text.size() && text[i + 1] == '$' ? 2 : 1;
      const std::string dollars(width, '$');
      if (!close(dollars)) open.push_back(dollars);
      i += width - 1;
    }
  }
  if (open.empty()) return "";
  return "'" + open.back() + "' is never closed";
}

}  // namespace mathtrap

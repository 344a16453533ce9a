#include "datasets/reference_answer.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace mathtrap {
namespace {

constexpr std::string_view kMarker = "#### ";

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

/// The inside of the braces that `text` begins with; empty when they are not balanced.
std::string_view inside_braces(std::string_view text) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    // An escaped brace, as in \{1, 2\}, is a character of the answer.
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return text.substr(1, i - 1);
    }
  }
  return {};
}

struct Box {
  std::size_t begin = std::string_view::npos;
  std::string_view rest;  ///< what follows the command
};

Box last_box(std::string_view solution) {
  constexpr std::array<std::string_view, 2> kCommands = {"\\boxed", "\\fbox"};
  Box last;
  for (const std::string_view command : kCommands) {
    const std::size_t found = solution.rfind(command);
    if (found == std::string_view::npos) continue;
    if (last.begin == std::string_view::npos || found > last.begin)
      last = {found, solution.substr(found + command.size())};
  }
  return last;
}

}  // namespace

std::string reference_answer(std::string_view solution) {
  const std::size_t marker = solution.rfind(kMarker);
  if (marker != std::string_view::npos) {
    const std::string_view rest = solution.substr(marker + kMarker.size());
    return trimmed(rest.substr(0, rest.find('\n')));
  }
  const Box box = last_box(solution);
  if (box.begin == std::string_view::npos) return "";
  const std::string_view rest = box.rest.substr(std::min(box.rest.find_first_not_of(' '), box.rest.size()));
  if (rest.starts_with('{')) return trimmed(inside_braces(rest));
  return trimmed(rest.substr(0, rest.find_first_of("$ \n")));
}

std::string without_calculator_notes(std::string_view solution) {
  std::string text;
  while (true) {
    const std::size_t open = solution.find("<<");
    const std::size_t close = open == std::string_view::npos ? open : solution.find(">>", open);
    if (close == std::string_view::npos) return text.append(solution);
    text.append(solution.substr(0, open));
    solution.remove_prefix(close + 2);
  }
}

}  // namespace mathtrap

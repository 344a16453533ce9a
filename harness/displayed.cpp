#include "harness/displayed.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "harness/math_run.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kNowhere = std::string_view::npos;
constexpr std::size_t kMaxDisplayBytes = 4000;

/// [begin, end) of what a display holds.
struct Display {
  std::size_t begin = kNowhere;
  std::size_t end = 0;
};

/// The last "\[" or "\]" below `before` that is no line break "\\[4pt]".
std::size_t find_last_bracket(std::string_view text, std::string_view bracket, std::size_t before) {
  while (before > 0) {
    const std::size_t at = text.rfind(bracket, before - 1);
    if (at == kNowhere || at == 0 || text[at - 1] != '\\') return at;
    before = at;
  }
  return kNowhere;
}

Display last_bracketed(std::string_view text) {
  const std::size_t end = find_last_bracket(text, "\\]", text.size());
  if (end == kNowhere) return {};
  const std::size_t begin = find_last_bracket(text, "\\[", end);
  return begin == kNowhere ? Display{} : Display{begin + 2, end};
}

/// Dollars pair from the front of the text.
Display last_in_dollars(std::string_view text) {
  Display last;
  for (std::size_t at = text.find("$$"); at != kNowhere;) {
    const std::size_t close = text.find("$$", at + 2);
    if (close == kNowhere) break;
    last = {at + 2, close};
    at = text.find("$$", close + 2);
  }
  return last;
}

Display last_environment(std::string_view text) {
  static const RE2 mark(R"(\\(begin|end)\{(?:equation|align|gather|eqnarray|multline)\*?\})");
  Display last;
  std::size_t open = kNowhere;
  re2::StringPiece found[2];
  for (std::size_t from = 0; mark.Match({text.data(), text.size()}, from, text.size(), RE2::UNANCHORED, found, 2);) {
    const auto at = static_cast<std::size_t>(found[0].data() - text.data());
    from = at + found[0].size();
    if (found[1] == "begin") {
      open = from;
    } else if (open != kNowhere) {
      last = {open, at};
      open = kNowhere;
    }
  }
  return last;
}

/// The last row of several; rows of a matrix are none.
std::string_view last_line(std::string_view display) {
  static constexpr std::string_view kEndings = " \t\r\n.,;&";
  const auto trimmed = [](std::string_view text) {
    const std::size_t end = text.find_last_not_of(kEndings);
    return end == kNowhere ? std::string_view{} : text.substr(0, end + 1);
  };
  display = trimmed(display);
  if (display.ends_with("\\end{aligned}")) display.remove_suffix(std::string_view("\\end{aligned}").size());
  while (display.ends_with("\\\\")) display = trimmed(display.substr(0, display.size() - 2));
  const std::size_t matrix = display.rfind("\\end{");
  const std::size_t row = display.rfind("\\\\");
  if (row == kNowhere || (matrix != kNowhere && matrix > row)) return display;
  return display.substr(row + 2);
}

/// Behind the last "=" or "\approx" outside of braces.
std::string_view right_side(std::string_view line) {
  static constexpr std::array<std::string_view, 3> kSigns = {"=", "\\approx", "\\equiv"};
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '{' || line[at] == '(' || line[at] == '[') ++depth;
    if (line[at] == '}' || line[at] == ')' || line[at] == ']') --depth;
    for (const std::string_view sign : kSigns) {
      if (depth == 0 && line.substr(at).starts_with(sign)) begin = at + sign.size();
    }
  }
  return trim_blanks(line.substr(begin));
}

}  // namespace

std::string_view last_displayed(std::string_view text) {
  const std::array<Display, 3> displays = {last_bracketed(text), last_in_dollars(text), last_environment(text)};
  const Display& last = *std::max_element(displays.begin(), displays.end(),
                                          [](const Display& a, const Display& b) { return a.end < b.end; });
  if (last.begin == kNowhere || last.end - last.begin > kMaxDisplayBytes) return {};
  const std::string_view line = trim_blanks(last_line(text.substr(last.begin, last.end - last.begin)));
  const std::string_view right = right_side(line);
  const std::string_view said = right.empty() || right == "0" ? line : right;
  const bool says_something = std::any_of(said.begin(), said.end(), [](char c) { return is_digit(c) || is_letter(c); });
  return says_something ? said : std::string_view{};
}

bool draws_conclusion(std::string_view text) {
  static const RE2 words(
      R"((?i)\b(?:so|therefore|thus|hence|consequently|answer|total|result|altogether|finally|is|are|equals?|gives?|gets?|leaves?|makes?|left|has|have|there)\b|=)");
  const std::string_view last = last_expression(text);
  if (last.empty()) return false;
  const auto end = static_cast<std::size_t>(last.data() - text.data()) + last.size();
  return RE2::PartialMatch(re2::StringPiece(text.data(), end), words);
}

}  // namespace mathtrap

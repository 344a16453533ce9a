#include "harness/choices.h"

#include <re2/re2.h>

#include <algorithm>

#include "harness/latex.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kMaxProblemBytes = std::size_t{1} << 16;

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

/// A choice's letter in a problem, and where what it says begins.
struct Mark {
  char letter = 'A';
  std::size_t begin = 0;
  std::size_t end = 0;
};

std::vector<Mark> find_marks(std::string_view problem) {
  static const RE2 form(
      R"((?m)(?:\\(?:textbf|text|textrm|mathrm|mathbf)\s*\{\s*)?\(([A-J])\)\s*\}?|(?:^|\s)([A-J])[).:](?:\s|\\))");
  std::vector<Mark> marks;
  re2::StringPiece found[3];
  for (std::size_t from = 0; form.Match(piece(problem), from, problem.size(), RE2::UNANCHORED, found, 3);) {
    const auto begin = static_cast<std::size_t>(found[0].data() - problem.data());
    from = begin + found[0].size();
    marks.push_back({found[1].empty() ? found[2][0] : found[1][0], begin, from});
  }
  return marks;
}

/// What a choice says, up to the next one or the end of its paragraph.
std::string choice_text(std::string_view text) {
  const std::string_view paragraph = trim_blanks(text);
  const std::string spaced = replace_all(paragraph.substr(0, paragraph.find("\n\n")), "\\qquad", " ");
  return std::string(trim_blanks(replace_all(spaced, "\\\\", " ")));
}

}  // namespace

std::vector<std::string> find_choices(std::string_view problem) {
  problem = problem.substr(0, kMaxProblemBytes);
  std::vector<Mark> list;
  std::vector<Mark> last;
  for (const Mark& mark : find_marks(problem)) {
    if (mark.letter == 'A') list.clear();
    if (mark.letter != static_cast<char>('A' + list.size())) continue;
    list.push_back(mark);
    if (list.size() >= 2) last = list;
  }
  std::vector<std::string> choices;
  for (std::size_t i = 0; i < last.size(); ++i) {
    const std::size_t end = i + 1 < last.size() ? last[i + 1].begin : problem.size();
    choices.push_back(choice_text(problem.substr(last[i].end, end - last[i].end)));
  }
  return choices;
}

std::optional<std::size_t> named_choice(std::string_view answer, std::size_t count) {
  static const RE2 enclosed(R"((?is)\s*(?:(?:option|choice)\s+)?\(\s*([A-Z])\s*\).*)");
  static const RE2 bare(R"((?s)\s*(?:(?i:option|choice)\s+)?([A-Z])(?:\s*[).:].*)?\s*)");
  std::string letter;
  const std::string text = undressed_answer(answer);
  if (!RE2::FullMatch(text, enclosed, &letter) && !RE2::FullMatch(text, bare, &letter)) return std::nullopt;
  const auto index = static_cast<std::size_t>(letter[0] >= 'a' ? letter[0] - 'a' : letter[0] - 'A');
  return index < count ? std::optional(index) : std::nullopt;
}

std::string_view last_named_choice(std::string_view text) {
  static const RE2 form(
      R"((?m)(?i:\b(?:option|choice))\s+\**\(?([A-J])\b|\(([A-J])\)|^[\s*]*([A-J])(?:[).:]\s|[\s*]*$))");
  std::string_view last;
  re2::StringPiece found[4];
  for (std::size_t from = 0; form.Match(piece(text), from, text.size(), RE2::UNANCHORED, found, 4);) {
    from = static_cast<std::size_t>(found[0].data() - text.data()) + found[0].size();
    for (int i = 1; i <= 3; ++i) {
      if (!found[i].empty()) last = {found[i].data(), found[i].size()};
    }
  }
  return last;
}

}  // namespace mathtrap

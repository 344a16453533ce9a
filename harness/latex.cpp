#include "harness/latex.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <utility>

#include "support/text.h"

namespace mathtrap {
namespace {

using Replacement = std::pair<std::string_view, std::string_view>;

// In this order: longer commands before those that they begin with.
constexpr std::array kReplacements = std::to_array<Replacement>({
    // Signs of Unicode.
    {"\u2212", "-"},
    {"\u00d7", "\\times "},
    {"\u00b7", "\\cdot "},
    {"\u22c5", "\\cdot "},
    {"\u03c0", "\\pi "},
    {"\u221a", "\\sqrt "},
    {"\u221e", "\\infty "},
    {"\u222a", "\\cup "},
    {"\u2264", "\\le "},
    {"\u2265", "\\ge "},
    {"\u2260", "\\ne "},
    {"\u2208", "\\in "},
    {"\u211d", "\\mathbb{R}"},
    {"\u2205", "\\emptyset "},
    {"\u00b1", "\\pm "},
    {"\u27e8", "\\langle "},
    {"\u27e9", "\\rangle "},
    {"\u00b0", "\\degree "},
    {"\u00b2", "^2"},
    {"\u00b3", "^3"},
    {"\u00bd", " 1/2"},
    {"\u00bc", " 1/4"},
    {"\u00be", " 3/4"},
    {"\u20ac", ""},
    {"\u00a3", ""},
    {"\u00a5", ""},
    {"\u202f", " "},
    {"\u2009", " "},
    // Delimiters and spacing. "\\$" is money and "$" a delimiter or money: both go.
    {"\\left.", ""},
    {"\\right.", ""},
    {"\\left", ""},
    {"\\right", ""},
    {"\\displaystyle", ""},
    {"\\$", ""},
    {"$", ""},
    {"\\(", ""},
    {"\\)", ""},
    {"\\[", ""},
    {"\\]", ""},
    {"\\!", ""},
    {"\\,", ""},
    {"\\;", " "},
    {"\\:", " "},
    {"\\ ", " "},
    {"\\quad", " "},
    {"~", " "},
    {"**", ""},
    {"`", ""},
    {"{,}", ","},
    // Synonyms.
    {"\\dfrac", "\\frac"},
    {"\\tfrac", "\\frac"},
    {"\\cfrac", "\\frac"},
    {"^{\\circ}", "\\degree "},
    {"^\\circ", "\\degree "},
    {"^{\\degree}", "\\degree "},
    {"^\\degree", "\\degree "},
    {"\\circ", "\\degree "},
    {"\\degrees", "\\degree "},
    {"\\leqslant", "\\le"},
    {"\\geqslant", "\\ge"},
    {"\\leq", "\\le"},
    {"\\geq", "\\ge"},
    {"\\neq", "\\ne"},
    {"\\lbrace", "\\{"},
    {"\\rbrace", "\\}"},
    {"\\varnothing", "\\emptyset"},
    {"\\%", "%"},
});

/// \boxed{…}, \text{…} and their kin become what they hold, with a blank around words.
std::string unwrap_groups(std::string text) {
  static const RE2 wrapper(
      R"((\\(?:boxed|fbox|text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s*)\{)");
  // Every round removes one command, so there are no more rounds than characters.
  re2::StringPiece command;
  while (RE2::PartialMatch(text, wrapper, &command)) {
    const auto begin = static_cast<std::size_t>(command.data() - text.data());
    const std::size_t open = begin + command.size();
    const std::size_t close = closing_brace(text, open);
    if (close != std::string::npos) text[close] = ' ';
    text[open] = ' ';
    text.erase(begin, command.size());
  }
  return text;
}

/// Line breaks within \begin{…} … \end{…} separate rows: "\\\\" and "\\\\[4pt]" become "\cr", which no later rule reads
/// as a blank or as a delimiter.
std::string mark_rows(std::string text) {
  static const RE2 row_break(R"(\\\\(?:\s*\[[^\[\]]{0,20}\])?)");
  if (text.find("\\begin{") != std::string::npos) RE2::GlobalReplace(&text, row_break, R"(\\cr )");
  return text;
}

/// In "\cos 60^\circ" the sign is a part of the value; elsewhere it is a unit and goes.
std::string settle_degrees(std::string text) {
  static const RE2 trigonometric(R"((?:^|[^A-Za-z])(?:sin|cos|tan|cot|sec|csc)(?:[^A-Za-z]|$))");
  static const RE2 degrees_in_words(R"((\d\s*)(?:degrees?|deg)\b)");
  if (!RE2::PartialMatch(text, trigonometric)) return replace_all(text, "\\degree", "");
  RE2::GlobalReplace(&text, degrees_in_words, R"(\1\\degree )");
  return text;
}

/// Whether the letter is a variable of `text`: no letter of a command or of a word.
bool stands_alone(std::string_view text, char letter) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool begins = at == 0 || (!is_letter(text[at - 1]) && text[at - 1] != '\\');
    if (text[at] == letter && begins && (at + 1 == text.size() || !is_letter(text[at + 1]))) return true;
  }
  return false;
}

/// "x = 5", "f(x) = 5", "total cost = 5" and "2 + 3 = 5" are 5, "5 = x" too; "x + y = 5" and "x = 2x + 3" stay
/// equations.
std::string right_side_of_definition(const std::string& text) {
  static const RE2 name_only(R"(\s*[A-Za-z\\][A-Za-z\s\\_']*(?:\([A-Za-z,\s]*\)|_\{?\w{1,4}\}?)?\s*)");
  static const RE2 tuple_of_names(R"(\s*\([A-Za-z](?:\s*,\s*[A-Za-z])*\)\s*)");
  static const RE2 arithmetic(R"((?:[\d\s.,+\-*/(){}x%]|\\times|\\cdot|\\div|\\frac)*)");
  const std::size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals + 1 == text.size()) return text;
  std::string left = text.substr(0, equals);
  static const RE2 joined(R"((?i)[,;]|\s(?:and|or)\s)");
  const bool several = left.find('=') != std::string::npos && RE2::PartialMatch(left, joined);
  if (several) return text;  // "x = 1, y = 2" is a list
  std::string right(trim_blanks(std::string_view(text).substr(equals + 1)));
  const std::size_t first = left.find('=');
  const std::string named = left.substr(0, first);
  static const RE2 letter(R"(\s*[A-Za-z]\s*)");
  if (RE2::FullMatch(right, letter) && RE2::FullMatch(left, arithmetic)) return left;
  if (RE2::FullMatch(named, letter) && stands_alone(right, trim_blanks(named).front())) return text;
  const bool defines =
      RE2::FullMatch(named, name_only) || RE2::FullMatch(named, tuple_of_names) || RE2::FullMatch(named, arithmetic);
  return defines ? right : text;
}

std::string trim_punctuation(std::string_view text) {
  text = trim_blanks(text);
  while (!text.empty() && std::string_view(".;,:!?\"'").find(text.back()) != std::string_view::npos) {
    text = trim_blanks(text.substr(0, text.size() - 1));
  }
  while (!text.empty() && std::string_view("=:\"'").find(text.front()) != std::string_view::npos) {
    text = trim_blanks(text.substr(1));
  }
  return std::string(text);
}

}  // namespace

std::string undressed_answer(std::string_view answer) {
  if (answer.size() > kMaxAnswerBytes) return std::string(answer);
  std::string text = mark_rows(plain_punctuation(answer));
  for (const auto& [from, to] : kReplacements) text = replace_all(text, from, to);
  text = unwrap_groups(std::move(text));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t' || c == '\r'; }, ' ');
  static const RE2 approximately(R"((?i)^\s*(?:about|approximately|around|roughly|exactly|\\approx|\\sim|≈)\s*)");
  RE2::Replace(&text, approximately, "");
  return trim_punctuation(settle_degrees(std::move(text)));
}

std::string plain_answer(std::string_view answer) {
  if (answer.size() > kMaxAnswerBytes) return std::string(answer);
  return without_name(undressed_answer(answer));
}

std::string without_name(const std::string& undressed) {
  return trim_punctuation(right_side_of_definition(undressed));
}

std::string canonical_text(std::string_view plain) {
  std::string text = lower_case(plain);
  static const RE2 root_of_group(R"((^|[^\\a-z])sqrt)");
  static const RE2 root_of_parenthesis(R"(\\sqrt\s*\(([^()]*)\))");
  static const RE2 root_of_digits(R"(\\sqrt\s*(\d+|[a-z]))");
  static const RE2 fraction_of_digits(R"(\\frac\s*(\d)\s*(\d))");
  static const RE2 fraction_group_digit(R"(\\frac\s*(\{[^{}]*\})\s*(\d))");
  static const RE2 fraction_digit_group(R"(\\frac\s*(\d)\s*\{)");
  static const RE2 bare_pi(R"((^|[^\\a-z])pi\b)");
  static const RE2 blanks(R"(\s+)");
  static const RE2 slash(
      R"(^(-?)((?:[\w.]|\\pi|\\sqrt\{\w+\})+|\([^()]*\))/((?:[\w.]|\\pi|\\sqrt\{\w+\})+|\([^()]*\))$)");
  static const RE2 negative_numerator(R"(^\\frac\{-([\w.\\]+(?:\{\w+\})?)\})");
  static const RE2 product(R"(\\cdot|\\times|\*)");
  static const RE2 product_before_symbol(R"(\*([^\d*]))");
  static const RE2 product_behind_symbol(R"(([^\d*])\*)");
  static const RE2 short_index(R"(([\^_])\{(\w)\})");
  static const RE2 thousands(R"(-?\d{1,3}(?:,\d{3})+(?:\.\d+)?)");
  if (RE2::FullMatch(text, thousands)) return replace_all(text, ",", "");
  RE2::GlobalReplace(&text, root_of_group, R"(\1\\sqrt)");
  RE2::GlobalReplace(&text, root_of_parenthesis, R"(\\sqrt{\1})");
  RE2::GlobalReplace(&text, root_of_digits, R"(\\sqrt{\1})");
  RE2::GlobalReplace(&text, fraction_of_digits, R"(\\frac{\1}{\2})");
  RE2::GlobalReplace(&text, fraction_group_digit, R"(\\frac\1{\2})");
  RE2::GlobalReplace(&text, fraction_digit_group, R"(\\frac{\1}{)");
  RE2::GlobalReplace(&text, bare_pi, R"(\1\\pi)");
  RE2::GlobalReplace(&text, blanks, "");
  RE2::Replace(&text, slash, R"(\1\\frac{\2}{\3})");
  RE2::Replace(&text, negative_numerator, R"(-\\frac{\1})");
  RE2::GlobalReplace(&text, product, "*");
  RE2::GlobalReplace(&text, product_before_symbol, R"(\1)");
  RE2::GlobalReplace(&text, product_behind_symbol, R"(\1)");
  RE2::GlobalReplace(&text, short_index, R"(\1\2)");
  return text;
}

}  // namespace mathtrap

#include "harness/answer_items.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <utility>

#include "harness/math_expression.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kNowhere = std::string_view::npos;

bool opens(char c) {
  return c == '(' || c == '[' || c == '{';
}
bool closes(char c) {
  return c == ')' || c == ']' || c == '}';
}

/// Where the bracket at the front of `text` closes. Kinds are not told apart: "[1, 2)" is one pair.
std::size_t closing_bracket(std::string_view text) {
  int depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (opens(text[at])) ++depth;
    if (closes(text[at]) && --depth == 0) return at;
  }
  return kNowhere;
}

/// Takes the brackets around the whole text off.
std::string_view open_brackets(std::string_view text, AnswerItems& list) {
  if (text.size() >= 4 && text.starts_with("\\{") && text.ends_with("\\}")) {
    if (closing_bracket(text.substr(1)) != text.size() - 2) return text;
    list.open = '{';
    list.close = '}';
    return text.substr(2, text.size() - 4);
  }
  const bool brackets =
      text.size() >= 2 && (text.front() == '(' || text.front() == '[') && (text.back() == ')' || text.back() == ']');
  if (!brackets || closing_bracket(text) != text.size() - 1) return text;
  list.open = text.front();
  list.close = text.back();
  return text.substr(1, text.size() - 2);
}

/// The parts between separators that stand in no brackets.
std::vector<std::string> split_outside_brackets(std::string_view text, char separator) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (const char c : text) {
    if (opens(c)) ++depth;
    if (closes(c)) --depth;
    if (c == separator && depth == 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

/// "3 \pm \sqrt{2}" stands for two values. Of several signs it is not said which go together.
void add_item(const std::string& item, std::vector<std::string>& items) {
  static const RE2 sign(R"(\\(?:pm|mp)\b)");
  std::string rest = item;
  if (RE2::GlobalReplace(&rest, sign, "") != 1) {
    items.push_back(item);
    return;
  }
  for (const char* one : {"+", "-"}) {
    items.push_back(item);
    RE2::Replace(&items.back(), sign, one);
  }
}

/// Names of environments that hold a matrix; those with bars stand for a number.
constexpr std::array kMatrices = std::to_array<std::string_view>(
    {"matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array", "vmatrix", "Vmatrix"});

/// A text with an environment, in three parts.
struct Environment {
  std::string_view name;
  std::string_view before;
  std::string_view body;
  std::string_view behind;
};

std::optional<Environment> find_environment(std::string_view text) {
  static constexpr std::string_view kBegin = "\\begin{";
  const std::size_t begin = text.find(kBegin);
  const std::size_t close = begin == kNowhere ? kNowhere : text.find('}', begin);
  if (close == kNowhere) return std::nullopt;
  Environment found;
  found.name = text.substr(begin + kBegin.size(), close - begin - kBegin.size());
  if (std::find(kMatrices.begin(), kMatrices.end(), found.name) == kMatrices.end()) return std::nullopt;
  const std::string end_mark = fmt::format("\\end{{{}}}", found.name);
  const std::size_t end = text.find(end_mark, close);
  if (end == kNowhere) return std::nullopt;
  found.before = trim_blanks(text.substr(0, begin));
  found.body = text.substr(close + 1, end - close - 1);
  found.behind = trim_blanks(text.substr(end + end_mark.size()));
  if (found.body.find(kBegin) != kNowhere) return std::nullopt;
  return found;
}

/// "{cc}" behind \begin{array}.
std::string_view without_columns(std::string_view body) {
  const std::string_view text = trim_blanks(body);
  const std::size_t close = text.starts_with('{') ? closing_brace(text, 0) : kNowhere;
  return close == kNowhere ? body : text.substr(close + 1);
}

/// The entries; empty unless all rows have as many.
std::vector<std::vector<std::string>> split_rows(std::string_view body) {
  static const RE2 mark(R"(\\cr\b)");
  std::string lines(body);
  RE2::GlobalReplace(&lines, mark, "\n");
  std::vector<std::string> texts = split_outside_brackets(lines, '\n');
  if (trim_blanks(texts.back()).empty()) texts.pop_back();
  std::vector<std::vector<std::string>> rows;
  for (const std::string& text : texts) rows.push_back(split_outside_brackets(text, '&'));
  const bool even =
      !rows.empty() && rows.size() * rows.front().size() <= kMaxEntries &&
      std::all_of(rows.begin(), rows.end(), [&](const auto& row) { return row.size() == rows.front().size(); });
  return even ? rows : std::vector<std::vector<std::string>>{};
}

void transpose(std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> columns(rows.front().size());
  for (auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) columns[i].push_back(std::move(row[i]));
  }
  rows = std::move(columns);
}

/// "-", "2" and "\frac{1}{2} \cdot" before a matrix. False when it is no factor.
bool multiply_by(std::string_view factor, std::vector<std::vector<std::string>>& rows) {
  static const RE2 sign_behind(R"(\s*(?:\\cdot|\\times|\*)\s*$)");
  std::string text(factor);
  RE2::Replace(&text, sign_behind, "");
  if (text.empty()) return factor.empty();
  if (text == "-") text = "-1";
  if (!parse_math_expression(text)) return false;
  for (auto& row : rows) {
    for (std::string& entry : row) entry = fmt::format("({})*({})", text, entry);
  }
  return true;
}

std::optional<AnswerMatrix> parse_environment(const Environment& found) {
  static const RE2 transposed(R"(\^\s*(?:T|\{\s*(?:T|\\top|\\intercal)\s*\}|\\top|\\intercal))");
  AnswerMatrix matrix;
  matrix.bars = found.name == "vmatrix" || found.name == "Vmatrix";
  matrix.rows = split_rows(found.name == "array" ? without_columns(found.body) : found.body);
  if (matrix.rows.empty()) return std::nullopt;
  std::string_view before = found.before;
  std::string behind(found.behind);
  if (!before.empty() && !behind.empty()) {
    const std::string pair{before.back(), behind.front()};
    if (pair == "||") matrix.bars = true;
    if (pair != "()" && pair != "[]" && pair != "||") return std::nullopt;
    before = trim_blanks(before.substr(0, before.size() - 1));
    behind.erase(0, 1);
  }
  if (RE2::FullMatch(behind, transposed)) {
    transpose(matrix.rows);
    behind.clear();
  }
  if (!behind.empty()) return std::nullopt;
  // A factor of a determinant multiplies a number, not its entries.
  if (matrix.bars && !before.empty()) return std::nullopt;
  if (!multiply_by(before, matrix.rows)) return std::nullopt;
  return matrix;
}

/// [[1, 2], [3, 4]].
std::optional<AnswerMatrix> parse_nested_rows(std::string_view text) {
  const std::optional<AnswerItems> outer = parse_items(text);
  if (!outer || outer->open != '[' || outer->close != ']') return std::nullopt;
  AnswerMatrix matrix;
  std::size_t entries = 0;
  for (const std::string& item : outer->items) {
    std::optional<AnswerItems> row = parse_items(item);
    if (!row || row->open != '[' || row->close != ']') return std::nullopt;
    if (row->items.size() != (matrix.rows.empty() ? row->items.size() : matrix.rows.front().size()))
      return std::nullopt;
    entries += row->items.size();
    matrix.rows.push_back(std::move(row->items));
  }
  return entries <= kMaxEntries ? std::optional(std::move(matrix)) : std::nullopt;
}

}  // namespace

std::optional<AnswerItems> parse_items(std::string_view text) {
  std::string bracketed = replace_all(replace_all(trim_blanks(text), "\\langle", "("), "\\rangle", ")");
  AnswerItems list;
  std::string inside(open_brackets(trim_blanks(bracketed), list));
  if (trim_blanks(text) == "\\emptyset") list.open = '{', inside.clear();
  if (list.open == '{' && trim_blanks(inside).empty()) return list;
  static const RE2 conjunction(R"((?i)\s*,?\s+(?:and|or)\s+|\s*;\s*)");
  RE2::GlobalReplace(&inside, conjunction, ",");
  const std::vector<std::string> parts = split_outside_brackets(inside, ',');
  if (parts.size() == 1 && list.ordered()) list.open = list.close = ' ';  // "(3 \pm 2)" is no pair
  for (const std::string& item : parts) add_item(item, list.items);
  const std::size_t fewest = list.open == '{' ? 1 : 2;
  if (list.items.size() < fewest || list.items.size() > kMaxItems) return std::nullopt;
  return list;
}

std::optional<AnswerMatrix> parse_matrix(std::string_view text) {
  const std::optional<Environment> found = find_environment(text);
  return found ? parse_environment(*found) : parse_nested_rows(text);
}

}  // namespace mathtrap

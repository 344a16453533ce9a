#include "harness/equality.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "harness/latex.h"
#include "harness/math_expression.h"
#include "harness/number.h"
#include "harness/symbolic.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kMaxItems = 64;  // unordered lists are compared item against item

struct List {
  char open = ' ';  ///< ' ' without brackets, '{' for sets
  char close = ' ';
  std::vector<std::string> items;

  bool ordered() const { return open == '(' || open == '['; }
};

/// Takes the brackets around the whole text off.
std::string_view open_list(std::string_view text, List& list) {
  if (text.size() >= 4 && text.starts_with("\\{") && text.ends_with("\\}")) {
    list.open = '{';
    list.close = '}';
    return text.substr(2, text.size() - 4);
  }
  const bool brackets =
      text.size() >= 2 && (text.front() == '(' || text.front() == '[') && (text.back() == ')' || text.back() == ']');
  if (!brackets || text.find_first_of(")]") != text.size() - 1) return text;
  list.open = text.front();
  list.close = text.back();
  return text.substr(1, text.size() - 2);
}

/// "3 \\pm \\sqrt{2}" stands for two values.
std::optional<List> parse_plus_minus(std::string_view text) {
  constexpr std::string_view kSign = "\\pm";
  const std::size_t at = text.find(kSign);
  if (at == std::string_view::npos || text.find(kSign, at + 1) != std::string_view::npos) return std::nullopt;
  if (text.find(',') != std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(at + kSign.size());
  List list;
  for (const char* sign : {"+", "-"}) list.items.push_back(std::string(text.substr(0, at)).append(sign).append(rest));
  return list;
}

/// The items of "1, 2", "1 and 2", "(1, 2)", "\{1, 2\}"; nothing when there are less than two.
std::optional<List> parse_list(std::string_view text) {
  if (auto both = parse_plus_minus(text)) return both;
  List list;
  std::string inside(open_list(trim_blanks(text), list));
  static const RE2 conjunction(R"((?i)\s*,?\s+(?:and|or)\s+|\s*;\s*)");
  RE2::GlobalReplace(&inside, conjunction, ",");
  int depth = 0;
  std::string item;
  for (const char c : inside) {
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    if (c == ',' && depth == 0) {
      list.items.push_back(item);
      item.clear();
    } else {
      item += c;
    }
  }
  list.items.push_back(item);
  if (list.items.size() < 2 || list.items.size() > kMaxItems) return std::nullopt;
  return list;
}

/// "12\pi square units" without the unit. Numbers lose theirs in number.cpp; this is for what is no number.
std::string without_unit(const std::string& plain) {
  static const RE2 unit(
      R"((?i)\s+(?:(?:square|cubic|sq|cu)\.?\s+)?(?:units?|cm|mm|km|m|meters?|centimeters?|feet|foot|ft|inch(?:es)?|yards?|miles?|degrees?|radians?|dollars?|cents|hours?|minutes?|seconds?)(?:\s*\^\s*\{?[23]\}?)?\s*$)");
  std::string text = plain;
  RE2::Replace(&text, unit, "");
  return text;
}

/// "(B)" and "the B" are "b".
std::string bare_text(const std::string& plain) {
  static const RE2 choice(R"(^\(([A-Za-z])\)$)");
  static const RE2 article(R"((?i)^(?:the|an?)\s+)");
  std::string text = without_unit(plain);
  RE2::Replace(&text, choice, R"(\1)");
  RE2::Replace(&text, article, "");
  return canonical_text(text);
}

bool items_equal(const std::string& reference, const std::string& answer) {
  // Items may be dressed on their own: "x = 1, y = 2".
  const std::string a = plain_answer(reference);
  const std::string b = plain_answer(answer);
  const std::vector<Rational> a_values = possible_values(a);
  const std::vector<Rational> b_values = possible_values(b);
  if (!a_values.empty() && !b_values.empty()) {
    return std::find_first_of(a_values.begin(), a_values.end(), b_values.begin(), b_values.end()) != a_values.end();
  }
  if (!a.empty() && bare_text(a) == bare_text(b)) return true;
  const std::optional<MathExpression> a_expression = parse_math_expression(a);
  const std::optional<MathExpression> b_expression = a_expression ? parse_math_expression(b) : std::nullopt;
  return b_expression && expressions_equal(*a_expression, *b_expression);
}

bool lists_equal(const List& reference, const List& answer) {
  if (reference.items.size() != answer.items.size()) return false;
  if (reference.ordered() || answer.ordered()) {
    return reference.open == answer.open && reference.close == answer.close &&
           std::equal(reference.items.begin(), reference.items.end(), answer.items.begin(), items_equal);
  }
  std::vector<std::string> left = answer.items;
  for (const std::string& item : reference.items) {
    const auto found =
        std::find_if(left.begin(), left.end(), [&](const auto& other) { return items_equal(item, other); });
    if (found == left.end()) return false;
    left.erase(found);
  }
  return true;
}

}  // namespace

bool answers_equal(std::string_view reference, std::string_view answer) {
  if (reference.size() > kMaxAnswerBytes || answer.size() > kMaxAnswerBytes) return reference == answer;
  const std::string a = plain_answer(reference);
  const std::string b = plain_answer(answer);
  const std::string canonical = canonical_text(a);
  if (canonical.empty()) return false;
  if (items_equal(a, b)) return true;
  // Of two numbers the value alone counts: "1 1/2" is not 11/2.
  if (!possible_values(a).empty() && !possible_values(b).empty()) return false;
  if (canonical == canonical_text(b)) return true;
  const std::optional<List> a_list = parse_list(a);
  const std::optional<List> b_list = a_list ? parse_list(b) : std::nullopt;
  return b_list && lists_equal(*a_list, *b_list);
}

}  // namespace mathtrap

#include "harness/scalar_equality.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "harness/latex.h"
#include "harness/math_expression.h"
#include "harness/number.h"
#include "harness/symbolic.h"

namespace mathtrap {
namespace {

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

}  // namespace

std::optional<bool> numbers_equal(const std::string& a, const std::string& b) {
  const std::vector<Rational> a_values = possible_values(a);
  const std::vector<Rational> b_values = a_values.empty() ? a_values : possible_values(b);
  if (b_values.empty()) return std::nullopt;
  return std::find_first_of(a_values.begin(), a_values.end(), b_values.begin(), b_values.end()) != a_values.end();
}

bool scalars_equal(const std::string& a, const std::string& b, ComparisonBudget& budget) {
  if (!budget.spend_scalar()) return a == b;
  if (!a.empty() && bare_text(a) == bare_text(b)) return true;
  const std::optional<MathExpression> a_expression = parse_math_expression(a);
  const std::optional<MathExpression> b_expression = a_expression ? parse_math_expression(b) : std::nullopt;
  return b_expression && expressions_equal(*a_expression, *b_expression);
}

}  // namespace mathtrap

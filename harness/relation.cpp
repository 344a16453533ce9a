#include "harness/relation.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <utility>

#include "harness/symbolic.h"
#include "support/text.h"

namespace mathtrap {
namespace {

using Kind = MathExpression::Kind;

constexpr std::size_t kMaxSigns = 2;

/// As written, longest first, and as split_relation gives them.
constexpr std::array kSigns = std::to_array<std::pair<std::string_view, std::string_view>>({{"\\le", "<="},
                                                                                            {"\\ge", ">="},
                                                                                            {"\\lt", "<"},
                                                                                            {"\\gt", ">"},
                                                                                            {"\\ne", "!="},
                                                                                            {"<=", "<="},
                                                                                            {">=", ">="},
                                                                                            {"!=", "!="},
                                                                                            {"<", "<"},
                                                                                            {">", ">"},
                                                                                            {"=", "="}});

/// The sign at the front of a text, and how long it is written.
std::pair<std::string_view, std::size_t> sign_at(std::string_view text) {
  for (const auto& [written, sign] : kSigns) {
    if (!text.starts_with(written)) continue;
    // "\le" is not the front of "\lessgtr".
    const bool command = written.front() == '\\';
    if (command && text.size() > written.size() && is_letter(text[written.size()])) continue;
    return {sign, written.size()};
  }
  return {{}, 0};
}

bool has_symbol(const MathExpression& e) {
  return e.kind == Kind::symbol || std::any_of(e.parts.begin(), e.parts.end(), has_symbol);
}

/// "xy": coordinates multiplied.
bool is_product(std::string_view side) {
  static const RE2 of_coordinates(R"(\s*[xyz]{2,3}\s*)");
  return RE2::FullMatch(re2::StringPiece(side.data(), side.size()), of_coordinates);
}

/// "AB", "sum", "f(x)", "P(A)": what is defined, not computed with. "xy" is a product.
bool is_name(std::string_view side) {
  static const RE2 name(R"(\s*(?:[A-Za-z]{2,}|[A-Za-z]'?\s*\([A-Za-z,\s]*\)|[A-Za-z]')\s*)");
  return RE2::FullMatch(re2::StringPiece(side.data(), side.size()), name) && !is_product(side);
}

/// Letters alone are words to the parser, unless they are put in parentheses.
std::optional<MathExpression> parse_side(const std::string& side) {
  return parse_math_expression(is_product(side) ? fmt::format("({})", trim_blanks(side)) : side);
}

MathExpression difference(MathExpression a, MathExpression b) {
  MathExpression negative{Kind::product, {}, 0, {{Kind::number, "-1", 0, {}}, std::move(b)}};
  return {Kind::sum, {}, 0, {std::move(a), std::move(negative)}};
}

}  // namespace

std::optional<RelationSides> split_relation(std::string_view text) {
  RelationSides relation;
  relation.sides.emplace_back();
  for (std::size_t at = 0; at < text.size();) {
    const auto [sign, length] = sign_at(text.substr(at));
    if (length == 0) {
      relation.sides.back() += text[at++];
      continue;
    }
    relation.signs.emplace_back(sign);
    relation.sides.emplace_back();
    at += length;
  }
  if (relation.signs.empty() || relation.signs.size() > kMaxSigns) return std::nullopt;
  return relation;
}

std::optional<Relation> parse_relation(std::string_view text) {
  const std::optional<RelationSides> written = split_relation(text);
  if (!written || written->signs.size() != 1 || is_name(written->sides.front())) return std::nullopt;
  std::optional<MathExpression> left = parse_side(written->sides[0]);
  std::optional<MathExpression> right = left ? parse_side(written->sides[1]) : std::nullopt;
  if (!right || (!has_symbol(*left) && !has_symbol(*right))) return std::nullopt;
  const std::string& sign = written->signs.front();
  if (sign == "!=") return std::nullopt;
  if (sign == "=") return Relation{Relation::Kind::equal, difference(std::move(*left), std::move(*right))};
  if (sign.front() == '<') std::swap(left, right);
  const auto kind = sign.size() == 2 ? Relation::Kind::at_least : Relation::Kind::above;
  return Relation{kind, difference(std::move(*left), std::move(*right))};
}

bool relations_equal(const Relation& a, const Relation& b) {
  return a.kind == b.kind && proportional(a.difference, b.difference, a.kind != Relation::Kind::equal);
}

}  // namespace mathtrap

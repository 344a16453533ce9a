// Equations and inequalities as answers: y = 2x + 3, x + y >= 4.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/math_expression.h"

namespace mathtrap {

/// difference = 0, > 0 or >= 0.
struct Relation {
  enum class Kind { equal, above, at_least };
  Kind kind = Kind::equal;
  MathExpression difference;
};

/// Reads a text with one sign of relation between two expressions, one of which has a variable. Nothing otherwise, and
/// nothing for the definition of a name that is no variable ("total = 5", "AB = 5", "f(x) = 2x"): of those the right
/// side is the answer. `text` is undressed (latex.h).
std::optional<Relation> parse_relation(std::string_view text);

/// Whether both have the same solutions because their differences are proportional: y = 2x + 3 and 4x - 2y + 6 = 0, but
/// not x^2 = 0 and x = 0; inequalities need a positive factor.
bool relations_equal(const Relation& a, const Relation& b);

/// A text cut at its signs of relation: n + 1 sides, n signs, each "=", "<", ">", "<=", ">=" or "!=".
struct RelationSides {
  std::vector<std::string> sides;
  std::vector<std::string> signs;
};
/// Empty when there are more than two signs, or none.
std::optional<RelationSides> split_relation(std::string_view text);

}  // namespace mathtrap

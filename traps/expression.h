// The expressions of families: parsed once, evaluated for each draw. The language is described for authors in
// datasets/families/README.md. There are no loops and no state: an evaluation ends after a bounded number of steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "traps/rational.h"

namespace mathtrap {

using Value = std::variant<Rational, bool, std::string>;

/// Which cell of a draw holds the value of a name. The fields of a table have names with a dot: "item.many".
using Names = std::map<std::string, std::size_t, std::less<>>;

class Expression {
 public:
  /// At most 4,096 characters and 100 levels. Throws Error (without a place) on anything else than one expression, and
  /// on names that are not in `names`.
  static Expression parse(std::string_view text, const Names& names);

  /// Throws Error: division by zero, values beyond 64 bits, operands of the wrong kind.
  Value evaluate(std::span<const Value> cells) const;

  const std::string& text() const { return text_; }
  /// One more than the highest cell that is read; 0 when none is.
  std::size_t cells_read() const { return cells_read_; }

 private:
  friend class ExpressionParser;

  enum class Kind : std::uint8_t { constant, cell, negate, logical_not, logical_and, logical_or, binary, choose, call };
  /// Children stand before their parent, so the last node is the whole expression.
  struct Node {
    Kind kind = Kind::constant;
    std::uint16_t code = 0;  ///< of the operator or function
    std::size_t cell = 0;
    Value constant;
    std::vector<std::size_t> children;
  };

  Value evaluate_node(std::size_t index, std::span<const Value> cells) const;

  std::string text_;
  std::vector<Node> nodes_;
  std::size_t cells_read_ = 0;
};

/// As it stands in a text: "7", "7/2", "true", or the string itself.
std::string to_text(const Value& value);
/// As it stands in a proof: numbers as terms of SMT-LIB 2.
std::string to_smt(const Value& value);

}  // namespace mathtrap

// A text with expressions between {{ and }}, parsed once and rendered for each draw.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "traps/expression.h"

namespace mathtrap {

/// How values print: as words of a text, or as terms of SMT-LIB 2.
enum class RenderStyle { text, proof };

class TextTemplate {
 public:
  /// Throws Error (without a place) on an unclosed {{, or an expression that is wrong.
  static TextTemplate parse(std::string_view text, const Names& names);

  std::string render(std::span<const Value> cells, RenderStyle style = RenderStyle::text) const;

 private:
  std::vector<std::variant<std::string, Expression>> parts_;
};

}  // namespace mathtrap

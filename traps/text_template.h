// A text with expressions between {{ and }}, parsed once and rendered for each draw.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "support/error.h"
#include "traps/expression.h"

namespace mathtrap {

/// How values print: as words of a text, or as terms of SMT-LIB 2.
enum class RenderStyle { text, proof };

class TextTemplate {
 public:
  /// Of three or more braces in a row the last two open an expression: "\frac{{{a}}}{2}". Throws Error at `place` on
  /// an unclosed {{, or an expression that is wrong.
  static TextTemplate parse(std::string_view text, const Names& names, const Place& place);

  /// Throws Error at the template's place when an expression fails, or the text grows beyond 64 KiB.
  std::string render(std::span<const Value> cells, RenderStyle style = RenderStyle::text) const;

 private:
  std::vector<std::variant<std::string, Expression>> parts_;
  Place place_;
};

}  // namespace mathtrap

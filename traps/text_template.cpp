#include "traps/text_template.h"

#include <fmt/format.h>

#include "support/error.h"

namespace mathtrap {
namespace {

constexpr std::string_view kOpen = "{{";
constexpr std::string_view kClose = "}}";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace

TextTemplate TextTemplate::parse(std::string_view text, const Names& names) {
  TextTemplate result;
  while (!text.empty()) {
    const std::size_t open = text.find(kOpen);
    if (open != 0) result.parts_.emplace_back(std::string(text.substr(0, open)));
    if (open == std::string_view::npos) break;
    const std::size_t close = text.find(kClose, open);
    if (close == std::string_view::npos) throw Error(fmt::format("'{{{{' is never closed: {}", text.substr(open, 40)));
    const std::string_view inside = text.substr(open + kOpen.size(), close - open - kOpen.size());
    result.parts_.emplace_back(Expression::parse(trimmed(inside), names));
    text.remove_prefix(close + kClose.size());
  }
  return result;
}

std::string TextTemplate::render(std::span<const Value> cells, RenderStyle style) const {
  std::string text;
  for (const auto& part : parts_) {
    if (const auto* plain = std::get_if<std::string>(&part)) {
      text += *plain;
      continue;
    }
    const Value value = std::get<Expression>(part).evaluate(cells);
    text += style == RenderStyle::text ? to_text(value) : to_smt(value);
  }
  return text;
}

}  // namespace mathtrap

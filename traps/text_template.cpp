#include "traps/text_template.h"

#include <fmt/format.h>

namespace mathtrap {
namespace {

constexpr std::string_view kOpen = "{{";
constexpr std::string_view kClose = "}}";
constexpr std::size_t kMaxBytes = std::size_t{64} << 10;  // of a rendered text: slots may hold long texts, many times
constexpr std::size_t kMaxShown = 40;

/// Where the next expression opens; npos when there is none.
std::size_t find_open(std::string_view text) {
  std::size_t open = text.find(kOpen);
  if (open == std::string_view::npos) return open;
  while (open + kOpen.size() < text.size() && text[open + kOpen.size()] == '{') ++open;
  return open;
}

Expression parse_expression(std::string_view text, const Names& names, const Place& place) {
  try {
    return Expression::parse(text, names);
  } catch (const Error& error) {
    fail(place, fmt::format("in {{{{{}}}}}: {}", text.substr(0, kMaxShown), error.what()));
  }
}

}  // namespace

TextTemplate TextTemplate::parse(std::string_view text, const Names& names, const Place& place) {
  TextTemplate result;
  result.place_ = place;
  while (!text.empty()) {
    const std::size_t open = find_open(text);
    if (open != 0) result.parts_.emplace_back(std::string(text.substr(0, open)));
    if (open == std::string_view::npos) break;
    const std::size_t close = text.find(kClose, open);
    if (close == std::string_view::npos) {
      fail(place, fmt::format("{{{{ is never closed: {}", text.substr(open, kMaxShown)));
    }
    const std::string_view inside = text.substr(open + kOpen.size(), close - open - kOpen.size());
    result.parts_.emplace_back(parse_expression(inside, names, place));
    text.remove_prefix(close + kClose.size());
  }
  return result;
}

std::string TextTemplate::render(std::span<const Value> cells, RenderStyle style) const {
  std::string text;
  for (const auto& part : parts_) {
    if (const auto* plain = std::get_if<std::string>(&part)) {
      text += *plain;
    } else {
      const auto& expression = std::get<Expression>(part);
      try {
        const Value value = expression.evaluate(cells);
        text += style == RenderStyle::text ? to_text(value) : to_smt(value);
      } catch (const Error& error) {
        fail(place_, fmt::format("in {{{{{}}}}}: {}", expression.text().substr(0, kMaxShown), error.what()));
      }
    }
    if (text.size() > kMaxBytes) fail(place_, fmt::format("a text of more than {} bytes", kMaxBytes));
  }
  return text;
}

}  // namespace mathtrap

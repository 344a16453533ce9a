#include "prompts/user_text.h"

#include <algorithm>
#include <array>

namespace mathtrap {
namespace {

constexpr std::array<std::string_view, 2> kThoughts = {"<think>", "</think>"};

bool is_replaced(char c) {
  return c > ' ' && c < '\x7f' && c != '"' && c != '\\';
}

}  // namespace

std::string stand_in(std::string_view text) {
  std::string other(text);
  for (std::size_t at = 0; at < text.size();) {
    const auto* const kept = std::find_if(kThoughts.begin(), kThoughts.end(),
                                          [&](std::string_view tag) { return text.substr(at).starts_with(tag); });
    if (kept != kThoughts.end()) {
      at += kept->size();
      continue;
    }
    if (is_replaced(text[at])) other[at] = text[at] == 'x' ? 'y' : 'x';
    ++at;
  }
  return other;
}

std::vector<TextSpan> find_user_text(std::string_view text, std::string_view other, const Place& frame) {
  if (text.size() != other.size()) {
    fail(
        frame,
        "what it writes depends on what users say, so that their words cannot be told from its own; use another prompt "
        "form");
  }
  std::vector<TextSpan> parts;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == other[i]) continue;
    const bool joins = !parts.empty() && std::none_of(text.begin() + static_cast<std::ptrdiff_t>(parts.back().end),
                                                      text.begin() + static_cast<std::ptrdiff_t>(i), is_replaced);
    if (joins) {
      parts.back().end = i + 1;
    } else {
      parts.push_back({i, i + 1});
    }
  }
  return parts;
}

}  // namespace mathtrap

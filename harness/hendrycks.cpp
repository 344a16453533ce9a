#include "harness/hendrycks.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>

#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::string_view kRoot = "\\sqrt";
constexpr std::string_view kFraction = "\\frac";
constexpr std::string_view kUnit = "\\text{ ";

/// The length of the UTF-8 character at the front: the published program reads characters, not bytes.
std::size_t character_length(std::string_view text) {
  std::size_t length = 1;
  while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) ++length;
  return length;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string without(std::string text, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) text = replace_all(text, part, "");
  return text;
}

/// Up to the only unit; nothing when there are several.
std::optional<std::string> without_unit(const std::string& text) {
  const std::size_t at = text.find(kUnit);
  if (at == std::string::npos) return text;
  if (text.find(kUnit, at + kUnit.size()) != std::string::npos) return std::nullopt;
  return text.substr(0, at);
}

/// "x = 5" is " 5".
std::string without_short_name(const std::string& text) {
  const std::size_t at = text.find('=');
  const bool one = at != std::string::npos && text.find('=', at + 1) == std::string::npos;
  return one && count_characters(std::string_view(text).substr(0, at)) <= 2 ? text.substr(at + 1) : text;
}

/// Braces around the one character behind each root; nothing when there is none.
std::optional<std::string> with_braced_roots(std::string_view text) {
  std::string result;
  for (std::size_t at = text.find(kRoot); at != std::string_view::npos; at = text.find(kRoot)) {
    at += kRoot.size();
    result += text.substr(0, at);
    text.remove_prefix(at);
    if (text.empty() || text.starts_with(kRoot)) return std::nullopt;
    if (text.front() == '{') continue;
    const std::size_t length = character_length(text);
    result.append("{").append(text.substr(0, length)).append("}");
    text.remove_prefix(length);
  }
  return result.append(text);
}

/// Braces around the one character above and the one below each fraction bar. A text in which a single character
/// follows a bar stays as it is; nothing when none does.
std::optional<std::string> with_braced_fractions(const std::string& text) {
  std::string_view rest = text;
  std::string result;
  for (std::size_t at = rest.find(kFraction); at != std::string_view::npos; at = rest.find(kFraction)) {
    at += kFraction.size();
    result += rest.substr(0, at);
    rest.remove_prefix(at);
    if (rest.starts_with('{')) continue;
    // What the next fraction begins with belongs to that one.
    const std::string_view here = rest.substr(0, rest.find(kFraction));
    if (here.empty()) return std::nullopt;
    if (count_characters(here) < 2) return text;
    const std::size_t above = character_length(here);
    const std::size_t below = character_length(here.substr(above));
    result.append("{").append(here.substr(0, above)).append("}");
    rest.remove_prefix(above);
    if (rest.front() == '{') continue;
    result.append("{").append(rest.substr(0, below)).append("}");
    rest.remove_prefix(below);
  }
  return result.append(rest);
}

/// "3/4" is \frac{3}{4}.
std::string with_fraction_for_slash(const std::string& text) {
  static const RE2 quotient(R"((0|-?[1-9][0-9]*)/(0|-?[1-9][0-9]*))");
  std::string result;
  return RE2::Extract(text, quotient, R"(\\frac{\1}{\2})", &result) && RE2::FullMatch(text, quotient) ? result : text;
}

/// Nothing where the published program fails.
std::optional<std::string> normalised(std::string_view answer) {
  std::string text = without(std::string(answer), {"\n", "\\!"});
  text = replace_all(text, "\\\\", "\\");
  text = replace_all(replace_all(text, "tfrac", "frac"), "dfrac", "frac");
  text = without(text, {"\\left", "\\right", "^{\\circ}", "^\\circ", "\\$"});
  std::optional<std::string> measured = without_unit(text);
  if (!measured) return std::nullopt;
  text = without(*measured, {"\\%", "%"});
  text = replace_all(replace_all(text, " .", " 0."), "{.", "{0.");
  if (text.empty()) return text;
  if (text.front() == '.') text.insert(text.begin(), '0');
  const std::optional<std::string> rooted = with_braced_roots(without_short_name(text));
  if (!rooted) return std::nullopt;
  const std::optional<std::string> braced = with_braced_fractions(without(*rooted, {" "}));
  if (!braced) return std::nullopt;
  return *braced == "0.5" ? "\\frac{1}{2}" : with_fraction_for_slash(*braced);
}

}  // namespace

bool hendrycks_equal(std::string_view reference, std::string_view answer) {
  if (reference.size() > kMaxHendrycksBytes || answer.size() > kMaxHendrycksBytes) return reference == answer;
  const std::optional<std::string> a = normalised(reference);
  const std::optional<std::string> b = a ? normalised(answer) : std::nullopt;
  return b ? *a == *b : reference == answer;
}

}  // namespace mathtrap

#include "support/text.h"

#include <algorithm>
#include <array>
#include <utility>

namespace mathtrap {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\f\v";

/// A full stop, question or exclamation mark with a blank or the end behind it, or a line break.
bool ends_sentence(std::string_view text, std::size_t at) {
  if (text[at] == '\n') return true;
  if (text[at] != '.' && text[at] != '!' && text[at] != '?') return false;
  return at + 1 == text.size() || kBlanks.find(text[at + 1]) != std::string_view::npos;
}

}  // namespace

std::string_view trim_blanks(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string replaced;
  replaced.reserve(text.size());
  for (std::size_t at = text.find(from); at != std::string_view::npos; at = text.find(from)) {
    replaced.append(text.substr(0, at)).append(to);
    text.remove_prefix(at + from.size());
  }
  return replaced.append(text);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::size_t closing_brace(std::string_view text, std::size_t open) {
  std::size_t depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

std::string plain_punctuation(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kPlain = {{
      {"\u2019", "'"},
      {"\u2018", "'"},
      {"\u201c", "\""},
      {"\u201d", "\""},
      {"\u2013", "-"},
      {"\u2014", "-"},
      {"\u00a0", " "},
  }};
  std::string plain(text);
  for (const auto& [from, to] : kPlain) plain = replace_all(plain, from, to);
  return plain;
}

std::vector<std::string_view> split_sentences(std::string_view text) {
  std::vector<std::string_view> sentences;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && !ends_sentence(text, i)) continue;
    const std::string_view sentence = trim_blanks(text.substr(begin, i < text.size() ? i + 1 - begin : i - begin));
    if (!sentence.empty()) sentences.push_back(sentence);
    begin = i + 1;
  }
  return sentences;
}

std::string_view last_sentence(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0 && !is_letter(text[end - 1]) && !is_digit(text[end - 1])) --end;
  std::size_t begin = end;
  while (begin > 0 && !ends_sentence(text, begin - 1)) --begin;
  return trim_blanks(text.substr(begin, end - begin));
}

}  // namespace mathtrap

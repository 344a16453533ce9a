#include "prompts/jinja/characters.h"

#include <algorithm>
#include <array>

#include "prompts/jinja/value.h"

namespace mathtrap::jinja {
namespace {

constexpr unsigned char kFirstBeyondAscii = 0x80;

/// Python's str.isspace beyond ASCII.
constexpr std::array<std::string_view, 19> kWideBlanks = {
    "\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
    "\u2007", "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};

bool is_blank(std::string_view character) {
  if (character.size() > 1) return std::find(kWideBlanks.begin(), kWideBlanks.end(), character) != kWideBlanks.end();
  const char c = character.front();
  return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f');
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

/// The character that ends before `end`.
std::string_view last_character(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && text.size() - begin < 4 && is_continuation(text[begin])) --begin;
  if (character_size(text, begin) != text.size() - begin) begin = text.size() - 1;
  return text.substr(begin);
}

bool contains_character(std::string_view set, std::string_view character) {
  for (std::size_t at = 0; at < set.size(); at += character_size(set, at)) {
    if (set.substr(at, character_size(set, at)) == character) return true;
  }
  return false;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < kFirstBeyondAscii; });
}

std::string in_case(std::string_view text, char first, char last, int shift) {
  if (!is_ascii(text)) throw Failure("the case of letters beyond ASCII is not supported");
  std::string changed(text);
  for (char& c : changed) {
    if (c >= first && c <= last) c = static_cast<char>(c + shift);
  }
  return changed;
}

}  // namespace

std::size_t character_size(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  std::size_t size = 1;
  if (lead >= 0xf0 && lead < 0xf8) {
    size = 4;
  } else if (lead >= 0xe0 && lead < 0xf0) {
    size = 3;
  } else if (lead >= 0xc0 && lead < 0xe0) {
    size = 2;
  }
  if (at + size > text.size()) return 1;
  const std::string_view rest = text.substr(at + 1, size - 1);
  return std::all_of(rest.begin(), rest.end(), is_continuation) ? size : 1;
}

std::size_t count_characters(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += character_size(text, at)) ++count;
  return count;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> all;
  for (std::size_t at = 0; at < text.size(); at += all.back().size()) {
    all.push_back(text.substr(at, character_size(text, at)));
  }
  return all;
}

std::size_t leading_blanks(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && is_blank(text.substr(at, character_size(text, at)))) at += character_size(text, at);
  return at;
}

std::string_view strip(std::string_view text, Ends ends, std::string_view set) {
  const auto goes = [&](std::string_view character) {
    return set.empty() ? is_blank(character) : contains_character(set, character);
  };
  while (ends != Ends::right && !text.empty() && goes(text.substr(0, character_size(text, 0)))) {
    text.remove_prefix(character_size(text, 0));
  }
  while (ends != Ends::left && !text.empty() && goes(last_character(text))) {
    text.remove_suffix(last_character(text).size());
  }
  return text;
}

std::vector<std::string_view> split_at_blanks(std::string_view text) {
  std::vector<std::string_view> parts;
  text.remove_prefix(leading_blanks(text));
  while (!text.empty()) {
    std::size_t end = 0;
    while (end < text.size() && !is_blank(text.substr(end, character_size(text, end)))) {
      end += character_size(text, end);
    }
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
    text.remove_prefix(leading_blanks(text));
  }
  return parts;
}

std::string to_upper(std::string_view text) {
  return in_case(text, 'a', 'z', 'A' - 'a');
}

std::string to_lower(std::string_view text) {
  return in_case(text, 'A', 'Z', 'a' - 'A');
}

}  // namespace mathtrap::jinja

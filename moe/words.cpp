#include "moe/words.h"

#include <set>

#include "support/text.h"

namespace mathtrap {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
bool is_high(char c) {
  return static_cast<unsigned char>(c) >= 128;
}
bool in_word(char c) {
  return is_letter(c) || is_digit(c) || is_high(c);
}

TextWord take_apart(std::string_view token, bool first_of_line) {
  std::size_t begin = 0;
  std::size_t end = token.size();
  while (begin < end && !in_word(token[begin])) ++begin;
  while (end > begin && !in_word(token[end - 1])) --end;
  return {token.substr(begin, end - begin), token.substr(end), first_of_line || begin > 0};
}

}  // namespace

std::vector<TextWord> split_words(std::string_view text) {
  std::vector<TextWord> words;
  bool first_of_line = true;
  std::size_t at = 0;
  while (at < text.size()) {
    if (is_blank(text[at])) {
      first_of_line = first_of_line || text[at] == '\n';
      ++at;
      continue;
    }
    const std::size_t begin = at;
    while (at < text.size() && !is_blank(text[at])) ++at;
    words.push_back(take_apart(text.substr(begin, at - begin), first_of_line));
    first_of_line = false;
  }
  return words;
}

std::vector<std::string> comparable_words(std::string_view text) {
  constexpr std::string_view kSigns = "+-*/=<>^%&|~@#$\\_";
  std::vector<std::string> words;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t begin = at;
    while (at < text.size() && in_word(text[at])) ++at;
    if (at > begin) words.push_back(lower_case(text.substr(begin, at - begin)));
    if (at == text.size()) break;
    if (kSigns.find(text[at]) != std::string_view::npos) words.emplace_back(1, text[at]);
    ++at;
  }
  return words;
}

bool is_stop_word(std::string_view word) {
  static const std::set<std::string_view> kWords = {
      "a",       "about",   "after", "again",   "all",   "also",   "am",     "an",     "and",   "any",   "are",
      "as",      "at",      "be",    "because", "been",  "before", "being",  "both",   "but",   "by",    "can",
      "could",   "did",     "do",    "does",    "down",  "each",   "either", "else",   "every", "for",   "from",
      "had",     "has",     "have",  "he",      "her",   "here",   "him",    "his",    "how",   "i",     "if",
      "in",      "into",    "is",    "it",      "its",   "just",   "like",   "may",    "me",    "might", "more",
      "most",    "must",    "my",    "no",      "nor",   "not",    "of",     "off",    "on",    "one",   "only",
      "or",      "other",   "our",   "out",     "over",  "shall",  "she",    "should", "so",    "some",  "such",
      "than",    "that",    "the",   "their",   "them",  "then",   "there",  "these",  "they",  "this",  "those",
      "through", "to",      "too",   "two",     "under", "until",  "up",     "us",     "very",  "was",   "we",
      "were",    "what",    "when",  "where",   "which", "while",  "who",    "whom",   "whose", "why",   "will",
      "with",    "without", "would", "yet",     "you",   "your",   "thou",   "thee",   "thy",   "ye",    "unto"};
  return kWords.contains(word);
}

}  // namespace mathtrap

#include "moe/fluency_rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <vector>

#include "moe/grammar_breaks.h"
#include "moe/words.h"
#include "support/text.h"

namespace mathtrap {
namespace {

using Reason = std::optional<std::string>;

// The bounds. Tuned on tests/golden/text_filter/tuning.jsonl.
constexpr std::size_t kFewestWords = 5;
constexpr double kMostBrokenCharacters = 0.004;
constexpr double kFewestLetters = 0.45;
constexpr double kCodeSigns = 0.06;
constexpr double kMostOddWords = 0.08;
constexpr double kMostFragments = 0.2;
constexpr double kFewestStopWords = 0.15;
constexpr double kMostOfOneWord = 0.2;
constexpr double kMostRepeated = 0.5;
constexpr double kMostMenuWords = 0.25;
constexpr double kMostGrammarBreaks = 0.035;

/// A text, taken apart once for all measures.
struct Shape {
  std::string_view text;
  std::vector<TextWord> words;     ///< with those that are punctuation only
  std::vector<std::string> cores;  ///< of words with a letter, in lower case
  std::size_t signs = 0;           ///< characters of code
  std::size_t letters = 0;         ///< bytes of letters, ASCII or not
  std::size_t visible = 0;         ///< bytes that are no blanks
  bool code = false;
};

bool has_letter(std::string_view word) {
  return std::any_of(word.begin(), word.end(),
                     [](char c) { return is_letter(c) || static_cast<unsigned char>(c) >= 128; });
}

Shape shape_of(std::string_view text) {
  Shape shape;
  shape.text = text;
  shape.words = split_words(text);
  for (const TextWord& word : shape.words) {
    if (has_letter(word.core)) shape.cores.push_back(lower_case(word.core));
  }
  constexpr std::string_view kSigns = "{}[]()<>=;_$#\\+*&";
  for (const char c : text) {
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') continue;
    ++shape.visible;
    if (is_letter(c) || static_cast<unsigned char>(c) >= 128) ++shape.letters;
    if (kSigns.find(c) != std::string_view::npos) ++shape.signs;
  }
  shape.code = static_cast<double>(shape.signs) >= kCodeSigns * static_cast<double>(shape.visible);
  return shape;
}

double share_of(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// Replacement characters, C1 controls, and UTF-8 that was read as Latin-1 or Windows-1252 ("Ã©", "â€™").
Reason broken_encoding(const Shape& shape) {
  constexpr std::array<std::string_view, 9> kMarks = {"\uFFFD", "Ã", "Â", "â€", "ã€", "ï¿", "ï»¿", "Ð", "Å"};
  std::size_t broken = 0;
  for (std::size_t i = 0; i + 1 < shape.text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(shape.text[i]);
    if (byte < 0xC2) continue;
    const auto next = static_cast<unsigned char>(shape.text[i + 1]);
    if (byte == 0xC2 && next >= 0x80 && next < 0xA0) ++broken;
    for (const std::string_view mark : kMarks) {
      if (!shape.text.substr(i).starts_with(mark)) continue;
      // "Ã" alone is a Portuguese letter; before another non-ASCII character it is a broken one.
      const std::size_t after = i + mark.size();
      if (mark.size() > 2 || (after < shape.text.size() && static_cast<unsigned char>(shape.text[after]) >= 0xC2))
        ++broken;
      break;
    }
  }
  const double share = share_of(broken, shape.text.size());
  if (broken < 3 || share < kMostBrokenCharacters) return std::nullopt;
  return fmt::format("{} broken characters, {:.1f}% (at most {:.1f}%)", broken, 100 * share,
                     100 * kMostBrokenCharacters);
}

Reason few_letters(const Shape& shape) {
  const double share = share_of(shape.letters, shape.visible);
  if (shape.code || share >= kFewestLetters) return std::nullopt;
  return fmt::format("{:.0f}% letters (at least {:.0f}%)", 100 * share, 100 * kFewestLetters);
}

bool is_vowel(char c) {
  return std::string_view("aeiouyAEIOUY").find(c) != std::string_view::npos;
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}

/// No English word: digits or signs between letters, no vowel, capitals behind small letters.
bool is_odd(std::string_view core) {
  // Addresses, paths and the names that programs have.
  if (core.find_first_of("/@_.:(=`") != std::string_view::npos) return false;
  std::size_t letters = 0;
  std::size_t changes = 0;  // between letters and digits
  bool vowel = false;
  bool capitals = true;
  for (std::size_t i = 0; i < core.size(); ++i) {
    const char c = core[i];
    const bool high = static_cast<unsigned char>(c) >= 128;
    vowel = vowel || high || is_vowel(c);
    capitals = capitals && !is_lower(c);
    if (is_letter(c) || high) ++letters;
    if (i == 0) continue;
    const char before = core[i - 1];
    if (is_digit(c) != is_digit(before) && (is_letter(c) || is_letter(before))) ++changes;
    if (is_upper(c) && is_lower(before) && core.size() > 3) ++changes;
    if (std::string_view(";~#^|").find(c) != std::string_view::npos) changes += 2;
  }
  if (letters < 2) return false;
  return changes >= 2 || (letters >= 4 && !vowel && !capitals);
}

Reason odd_words(const Shape& shape) {
  std::size_t odd = 0;
  std::string first;
  for (const TextWord& word : shape.words) {
    if (!is_odd(word.core)) continue;
    ++odd;
    if (first.empty()) first = std::string(word.core.substr(0, 40));
  }
  const double share = share_of(odd, shape.words.size());
  if (shape.code || share <= kMostOddWords) return std::nullopt;
  return fmt::format("{:.0f}% odd words such as \"{}\" (at most {:.0f}%)", 100 * share, first, 100 * kMostOddWords);
}

/// Words of one or two letters that English does not have, and single letters: what is left of words that were cut.
Reason fragments(const Shape& shape) {
  static const std::set<std::string_view> kShort = {
      "a",  "i",  "o",  "ad", "ah", "am", "an", "as", "at", "be", "by", "cm", "do", "dr", "eg",
      "en", "et", "go", "ha", "he", "hi", "ie", "if", "in", "is", "it", "kg", "km", "la", "le",
      "ma", "me", "mg", "ml", "mm", "mr", "ms", "my", "no", "of", "oh", "ok", "on", "or", "ox",
      "pm", "pi", "so", "st", "th", "to", "tv", "uk", "un", "up", "us", "vs", "we", "ye"};
  std::size_t cut = 0;
  for (const TextWord& word : shape.words) {
    // Capitals are initials, or points and constants of a proof.
    if (has_letter(word.core) && word.core.size() <= 2 && !is_upper(word.core.front()) && !kShort.contains(word.core)) {
      ++cut;
    }
  }
  const double share = share_of(cut, shape.cores.size());
  if (shape.code || share <= kMostFragments || shape.cores.size() < 20) return std::nullopt;
  return fmt::format("{:.0f}% fragments of words (at most {:.0f}%)", 100 * share, 100 * kMostFragments);
}

/// The words that stand in long lines: a list of names or measurements has short ones, and needs no small words.
std::string long_lines(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end >= 60) result.append(text.substr(0, end)).push_back('\n');
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

Reason few_stop_words(const Shape& shape) {
  if (shape.code) return std::nullopt;
  const std::string lines = long_lines(shape.text);
  std::size_t words = 0;
  std::size_t stops = 0;
  for (const TextWord& word : split_words(lines)) {
    if (!has_letter(word.core)) continue;
    ++words;
    if (is_stop_word(lower_case(word.core))) ++stops;
  }
  const double share = share_of(stops, words);
  if (words < 12 || share >= kFewestStopWords) return std::nullopt;
  return fmt::format("{:.0f}% small words such as \"the\" and \"of\" (at least {:.0f}%)", 100 * share,
                     100 * kFewestStopWords);
}

Reason one_word(const Shape& shape) {
  std::map<std::string_view, std::size_t> counts;
  for (const std::string& core : shape.cores) {
    if (!is_stop_word(core) && core.size() > 2) ++counts[core];
  }
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == counts.end() || shape.code) return std::nullopt;
  const double share = share_of(most->second, shape.cores.size());
  if (most->second < 5 || share <= kMostOfOneWord) return std::nullopt;
  return fmt::format("\"{}\" is {:.0f}% of the words (at most {:.0f}%)", most->first.substr(0, 40), 100 * share,
                     100 * kMostOfOneWord);
}

/// Words inside of five in a row that have stood there before.
Reason repetition(const Shape& shape) {
  constexpr std::size_t kRow = 5;
  const std::vector<std::string>& words = shape.cores;
  if (words.size() < 16) return std::nullopt;
  std::set<std::string> seen;
  std::vector<bool> repeated(words.size(), false);
  for (std::size_t i = 0; i + kRow <= words.size(); ++i) {
    if (!seen.insert(fmt::format("{}", fmt::join(words.begin() + static_cast<std::ptrdiff_t>(i),
                                                 words.begin() + static_cast<std::ptrdiff_t>(i + kRow), " ")))
             .second) {
      std::fill_n(repeated.begin() + static_cast<std::ptrdiff_t>(i), kRow, true);
    }
  }
  const double share =
      share_of(static_cast<std::size_t>(std::count(repeated.begin(), repeated.end(), true)), words.size());
  if (share <= kMostRepeated) return std::nullopt;
  return fmt::format("{:.0f}% of the words repeat five in a row (at most {:.0f}%)", 100 * share, 100 * kMostRepeated);
}

/// What stands around the text of a page: navigation, log-ins, notices.
Reason menu(const Shape& shape) {
  static const std::set<std::string_view> kWords = {
      "home",    "products",  "contact",   "login",      "register",  "account",    "search",   "map",      "privacy",
      "policy",  "terms",     "copyright", "rights",     "reserved",  "sitemap",    "faq",      "blog",     "menu",
      "sign",    "log",       "share",     "tweet",      "print",     "email",      "next",     "previous", "comments",
      "comment", "rss",       "cookies",   "skip",       "archives",  "categories", "tags",     "feed",     "reply",
      "cart",    "checkout",  "wishlist",  "newsletter", "subscribe", "follow",     "facebook", "twitter",  "instagram",
      "youtube", "pinterest", "help",      "about",      "profile",   "post",       "posts",    "required", "fields",
      "website", "news",      "video",     "page",       "site",      "view"};
  std::size_t count = 0;
  for (const std::string& core : shape.cores) count += kWords.contains(core) ? 1 : 0;
  const double share = share_of(count, shape.cores.size());
  if (count < 6 || share <= kMostMenuWords) return std::nullopt;
  return fmt::format("{:.0f}% words of menus (at most {:.0f}%)", 100 * share, 100 * kMostMenuWords);
}

/// What templates and programs leave behind when they had nothing to put in.
Reason left_overs(const Shape& shape) {
  constexpr std::array<std::string_view, 6> kMarks = {"[object Object]", "undefined", "NaN", "{{",
                                                      "lorem ipsum",     "<?php"};
  std::size_t found = 0;
  for (const std::string_view mark : kMarks) {
    for (std::size_t at = shape.text.find(mark); at != std::string_view::npos;
         at = shape.text.find(mark, at + mark.size()))
      ++found;
  }
  const double share = share_of(found, shape.words.size());
  if (found < 3 || share <= 0.1) return std::nullopt;
  return fmt::format("{} places of a template that were not filled", found);
}

Reason no_grammar(const Shape& shape) {
  if (shape.code) return std::nullopt;
  const GrammarBreaks breaks = count_grammar_breaks(shape.words);
  const double share = share_of(breaks.count, shape.words.size());
  if (breaks.count < 3 || share <= kMostGrammarBreaks) return std::nullopt;
  return fmt::format("{} words where none of their kind can be, such as \"{}\": {:.1f}% (at most {:.1f}%)",
                     breaks.count, breaks.first, 100 * share, 100 * kMostGrammarBreaks);
}

}  // namespace

std::optional<std::string> disfluency_reason(std::string_view text) {
  const Shape shape = shape_of(text);
  if (shape.cores.size() < kFewestWords) return fmt::format("{} words (at least {})", shape.cores.size(), kFewestWords);
  for (Reason (*measure)(const Shape&) : {broken_encoding, few_letters, left_overs, odd_words, fragments, menu,
                                          one_word, repetition, few_stop_words, no_grammar}) {
    if (Reason reason = measure(shape)) return reason;
  }
  return std::nullopt;
}

}  // namespace mathtrap

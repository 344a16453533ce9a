#include "harness/number_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "support/text.h"

namespace mathtrap {
namespace {

using NamedNumber = std::pair<std::string_view, std::int64_t>;

constexpr std::array kUnits = std::to_array<NamedNumber>({
    {"zero", 0},     {"one", 1},      {"two", 2},        {"three", 3},     {"four", 4},
    {"five", 5},     {"six", 6},      {"seven", 7},      {"eight", 8},     {"nine", 9},
    {"ten", 10},     {"eleven", 11},  {"twelve", 12},    {"thirteen", 13}, {"fourteen", 14},
    {"fifteen", 15}, {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18}, {"nineteen", 19},
});
constexpr std::array kTens = std::to_array<NamedNumber>({
    {"twenty", 20},
    {"thirty", 30},
    {"forty", 40},
    {"fifty", 50},
    {"sixty", 60},
    {"seventy", 70},
    {"eighty", 80},
    {"ninety", 90},
});
constexpr std::array kParts = std::to_array<NamedNumber>({
    {"half", 2},
    {"halves", 2},
    {"third", 3},
    {"thirds", 3},
    {"quarter", 4},
    {"quarters", 4},
    {"fourths", 4},
    {"fifth", 5},
    {"fifths", 5},
    {"sixth", 6},
    {"sixths", 6},
    {"sevenths", 7},
    {"eighth", 8},
    {"eighths", 8},
    {"ninths", 9},
    {"tenth", 10},
    {"tenths", 10},
});
// Before a number word these make it stand for things spoken of: "the two of them".
constexpr std::array kPointing = std::to_array<std::string_view>(
    {"the", "these", "those", "of", "any", "each", "every", "no", "other", "all", "both", "which", "this", "that"});
constexpr std::int64_t kLargestPointed = 10;

std::optional<std::int64_t> named(const auto& numbers, std::string_view word) {
  const auto found =
      std::find_if(numbers.begin(), numbers.end(), [&](const auto& entry) { return entry.first == word; });
  if (found == numbers.end()) return std::nullopt;
  return found->second;
}

struct Word {
  std::string lower;
  std::size_t begin = 0;
  std::size_t end = 0;
};

std::vector<Word> split_words(std::string_view text) {
  std::vector<Word> words;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_letter(text[end])) ++end;
    if (end > at) words.push_back({lower_case(text.substr(at, end - at)), at, end});
    at = std::max(end, at + 1);
  }
  return words;
}

/// A number in words.
struct SpelledNumber {
  std::string digits;
  std::size_t words = 0;   ///< how many it takes; 0 when there is no number
  std::int64_t whole = 0;  ///< of a fraction the numerator
};

class Speller {
 public:
  Speller(std::string_view text, const std::vector<Word>& words) : text_(text), words_(words) {}

  SpelledNumber read(std::size_t first) const {
    std::size_t at = first;
    const std::optional<std::int64_t> whole = below_million(at);
    if (!whole) return {};
    if (const auto part = named(kParts, word(at, " -")))
      return {fmt::format("{}/{}", *whole, *part), at + 1 - first, *whole};
    // "one" alone is mostly no number.
    if (*whole == 1 && at == first + 1) return {};
    return {std::to_string(*whole), at - first, *whole};
  }

 private:
  /// Whether the word follows the one before it with nothing but a blank or a hyphen between.
  bool adjoins(std::size_t at) const {
    if (at == 0 || at >= words_.size()) return false;
    const std::string_view gap = text_.substr(words_[at - 1].end, words_[at].begin - words_[at - 1].end);
    return gap == " " || gap == "-";
  }

  /// The word there when it adjoins; empty otherwise. `gaps` are the signs that may stand before it.
  std::string_view word(std::size_t at, std::string_view gaps) const {
    if (!adjoins(at) || gaps.find(text_[words_[at].begin - 1]) == std::string_view::npos) return {};
    return words_[at].lower;
  }

  void skip_and(std::size_t& at) const {
    if (word(at, " ") == "and" && adjoins(at + 1)) ++at;
  }

  std::optional<std::int64_t> below_hundred(std::size_t& at) const {
    if (at >= words_.size()) return std::nullopt;
    if (const auto unit = named(kUnits, words_[at].lower)) return ++at, unit;
    const auto tens = named(kTens, words_[at].lower);
    if (!tens) return std::nullopt;
    ++at;
    const auto unit = named(kUnits, word(at, " -"));
    if (!unit || *unit == 0 || *unit > 9) return tens;
    ++at;
    return *tens + *unit;
  }

  std::optional<std::int64_t> below_thousand(std::size_t& at) const {
    const auto first = below_hundred(at);
    if (!first || word(at, " -") != "hundred") return first;
    ++at;
    std::size_t rest_at = at;
    skip_and(rest_at);
    const auto rest = adjoins(rest_at) ? below_hundred(rest_at) : std::nullopt;
    if (!rest) return *first * 100;
    at = rest_at;
    return *first * 100 + *rest;
  }

  std::optional<std::int64_t> below_million(std::size_t& at) const {
    const auto first = below_thousand(at);
    if (!first || word(at, " ") != "thousand") return first;
    ++at;
    std::size_t rest_at = at;
    skip_and(rest_at);
    const auto rest = adjoins(rest_at) ? below_thousand(rest_at) : std::nullopt;
    if (!rest) return *first * 1000;
    at = rest_at;
    return *first * 1000 + *rest;
  }

  std::string_view text_;
  const std::vector<Word>& words_;
};

bool pointed_at(const std::vector<Word>& words, std::size_t at) {
  return at > 0 && std::find(kPointing.begin(), kPointing.end(), words[at - 1].lower) != kPointing.end();
}

}  // namespace

std::string digits_for_words(std::string_view text, std::int64_t least) {
  const std::vector<Word> words = split_words(text);
  const Speller speller(text, words);
  std::string digits;
  std::size_t copied = 0;
  for (std::size_t i = 0; i < words.size();) {
    const SpelledNumber number = speller.read(i);
    const bool spoken_of = number.words == 1 && number.whole <= kLargestPointed && pointed_at(words, i);
    if (number.words == 0 || number.whole < least || spoken_of) {
      ++i;
      continue;
    }
    digits.append(text.substr(copied, words[i].begin - copied)).append(number.digits);
    i += number.words;
    copied = words[i - 1].end;
  }
  return digits.append(text.substr(copied));
}

}  // namespace mathtrap

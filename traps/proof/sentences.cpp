#include "traps/proof/sentences.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "support/text.h"
#include "traps/lint/text_overlap.h"

namespace mathtrap {
namespace {

constexpr double kMinShare = 1.0 / 3;
/// Requirements often stand between the lines: a sentence must say clearly what they say.
constexpr double kMinShareOfRequirement = 1.0 / 2;
/// Words that agree so far are taken to be forms of one: "divides", "divided".
constexpr std::size_t kStemLetters = 4;

// Words that say nothing about which sentence is meant.
constexpr std::array kCommonWords = std::to_array<std::string_view>(
    {"the", "are", "has", "have", "and", "for", "its", "was", "that", "this", "with", "both", "there"});

bool same_word(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const std::size_t letters = std::min(a.size(), b.size());
  return letters >= kStemLetters && a.substr(0, kStemLetters) == b.substr(0, kStemLetters) && is_letter(a[0]);
}

std::vector<std::string> telling_words(std::string_view name) {
  std::string spaced(name);
  std::replace(spaced.begin(), spaced.end(), '_', ' ');
  std::vector<std::string> words = words_of(spaced);
  std::erase_if(words, [](const std::string& word) {
    return (word.size() < 3 && !is_digit(word[0])) ||
           std::find(kCommonWords.begin(), kCommonWords.end(), word) != kCommonWords.end();
  });
  return words;
}

std::size_t count_shared(const std::vector<std::string>& wanted, const std::vector<std::string>& there) {
  return static_cast<std::size_t>(std::count_if(wanted.begin(), wanted.end(), [&](const std::string& word) {
    return std::any_of(there.begin(), there.end(), [&](const std::string& other) { return same_word(word, other); });
  }));
}

/// Length of a separator of thousands at this place, "," or "{,}"; 0 when there is none.
std::size_t thousands_separator(std::string_view text, std::size_t at) {
  const std::size_t length = text.substr(at).starts_with("{,}") ? 3 : text[at] == ',' ? 1 : 0;
  if (length == 0) return 0;
  const std::string_view behind = text.substr(at + length);
  const auto digits =
      static_cast<std::size_t>(std::find_if_not(behind.begin(), behind.end(), is_digit) - behind.begin());
  return digits == 3 ? length : 0;
}

void drop_needless_zeros(std::string& number) {
  while (number.back() == '0') number.pop_back();
  if (number.back() == '.') number.pop_back();
}

}  // namespace

std::vector<NumberInText> find_numbers(std::string_view text) {
  std::vector<NumberInText> numbers;
  for (std::size_t at = 0; at < text.size();) {
    if (!is_digit(text[at])) {
      ++at;
      continue;
    }
    NumberInText number{"", at, 0};
    bool decimals = false;
    while (at < text.size()) {
      const bool point = text[at] == '.' && !decimals && at + 1 < text.size() && is_digit(text[at + 1]);
      const std::size_t separator = decimals ? 0 : thousands_separator(text, at);
      if (!is_digit(text[at]) && !point && separator == 0) break;
      if (separator == 0) number.value += text[at];
      decimals = decimals || point;
      at += std::max<std::size_t>(separator, 1);
    }
    if (decimals) drop_needless_zeros(number.value);
    number.length = at - number.begin;
    numbers.push_back(std::move(number));
  }
  return numbers;
}

std::vector<std::string> numbers_of(std::string_view text) {
  std::vector<std::string> values;
  for (NumberInText& number : find_numbers(text)) values.push_back(std::move(number.value));
  return values;
}

std::string_view sentence_of(const Statement& statement, std::string_view problem) {
  if (statement.part == "common_sense") return {};
  const std::vector<std::string> words = telling_words(statement.name);
  const std::vector<std::string> numbers = numbers_of(statement.body);
  const std::size_t all = words.size() + numbers.size();
  std::string_view best;
  std::size_t most = 0;
  for (const std::string_view sentence : split_sentences(problem)) {
    const std::size_t shared = count_shared(words, words_of(sentence)) + count_shared(numbers, numbers_of(sentence));
    if (shared > most) {
      most = shared;
      best = sentence;
    }
  }
  const double wanted = statement.part == "requirement" ? kMinShareOfRequirement : kMinShare;
  return static_cast<double>(most) >= wanted * static_cast<double>(all) ? best : std::string_view{};
}

}  // namespace mathtrap

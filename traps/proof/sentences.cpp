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

bool is_thousands_comma(std::string_view text, std::size_t at) {
  return text[at] == ',' && at + 3 < text.size() && is_digit(text[at + 1]) && is_digit(text[at + 2]) &&
         is_digit(text[at + 3]) && (at + 4 == text.size() || !is_digit(text[at + 4]));
}

}  // namespace

std::vector<std::string> numbers_of(std::string_view text) {
  const std::string plain = replace_all(text, "{,}", ",");
  std::vector<std::string> numbers;
  for (std::size_t at = 0; at < plain.size();) {
    if (!is_digit(plain[at])) {
      ++at;
      continue;
    }
    std::string number;
    bool decimals = false;
    for (; at < plain.size(); ++at) {
      const char c = plain[at];
      const bool point = c == '.' && !decimals && at + 1 < plain.size() && is_digit(plain[at + 1]);
      if (is_digit(c) || point) {
        number += c;
        decimals = decimals || point;
      } else if (decimals || !is_thousands_comma(plain, at)) {
        break;
      }
    }
    if (decimals) {
      while (number.back() == '0') number.pop_back();
      if (number.back() == '.') number.pop_back();
    }
    numbers.push_back(std::move(number));
  }
  return numbers;
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

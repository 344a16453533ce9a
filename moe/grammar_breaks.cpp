#include "moe/grammar_breaks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "support/text.h"

namespace mathtrap {
namespace {

/// Kinds of small words, those alone whose kind does not depend on the sentence.
enum Kind : unsigned {
  kOther = 0,
  kArticle = 1,      // and what else opens a noun: "the", "my"
  kPreposition = 2,  // those that want a noun: "of", "with"
  kLoose = 4,        // prepositions that a sentence may also begin after: "for he said"
  kConjunction = 8,
  kFinite = 16,  // forms of be and have
  kModal = 32,
  kSubject = 64,      // pronouns that want a verb: "he", "they"
  kInfinitive = 128,  // "be"
  kTo = 256,
  kNot = 512,
  kNeverAfterArticle = 1024,  // other small words that no noun begins with
};

unsigned kind_of(std::string_view word) {
  static const std::map<std::string_view, unsigned> kKinds = [] {
    constexpr unsigned kNever = kNeverAfterArticle;
    std::map<std::string_view, unsigned> kinds;
    for (const std::string_view w : {"the", "a", "an", "my", "your", "their", "our"}) kinds[w] = kArticle | kNever;
    for (const std::string_view w : {"of", "from", "with", "into", "among", "between", "towards"}) {
      kinds[w] = kPreposition | kNever;
    }
    for (const std::string_view w : {"at", "for", "during"}) kinds[w] = kLoose | kNever;
    for (const std::string_view w : {"and", "or", "but", "because", "than"}) kinds[w] = kConjunction | kNever;
    for (const std::string_view w : {"is", "are", "was", "were", "has", "had"}) kinds[w] = kFinite | kNever;
    for (const std::string_view w : {"could", "would", "should", "cannot"}) kinds[w] = kModal | kNever;
    for (const std::string_view w : {"can", "must"}) kinds[w] = kModal;  // nouns too
    for (const std::string_view w : {"he", "she", "they", "we"}) kinds[w] = kSubject | kNever;
    for (const std::string_view w :
         {"to",    "it",    "them", "him",  "us",    "me",   "be",      "been",  "have",  "in",  "on",
          "by",    "after", "if",   "when", "while", "this", "these",   "those", "there", "not", "its",
          "which", "his",   "also", "any",  "each",  "some", "through", "until", "did"}) {
      kinds[w] |= kNever;
    }
    kinds["be"] |= kInfinitive;
    kinds["to"] |= kTo;
    kinds["not"] |= kNot;
    return kinds;
  }();
  const auto found = kKinds.find(word);
  return found == kKinds.end() ? kOther : found->second;
}

/// The kinds that cannot follow a kind inside of a sentence.
unsigned impossible_after(unsigned kind) {
  unsigned result = 0;
  if ((kind & kArticle) != 0U) result |= kNeverAfterArticle;
  if ((kind & kPreposition) != 0U) result |= kConjunction | kFinite | kModal | kInfinitive | kSubject;
  if ((kind & kLoose) != 0U) result |= kConjunction | kFinite | kInfinitive;
  if ((kind & kFinite) != 0U) result |= kFinite | kModal | kConjunction;
  if ((kind & kModal) != 0U) result |= kFinite | kModal | kPreposition | kTo;
  if ((kind & kSubject) != 0U) result |= kArticle | kPreposition | kSubject | kInfinitive | kTo;
  if ((kind & kInfinitive) != 0U) result |= kFinite | kModal | kSubject | kInfinitive;
  if ((kind & kTo) != 0U) result |= kFinite | kModal | kSubject | kPreposition;
  if ((kind & kNot) != 0U) result |= kFinite | kModal | kSubject;
  return result;
}

bool is_capital(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_small(char c) {
  return c >= 'a' && c <= 'z';
}

/// "of" takes no other preposition, nor does any of them take "of".
bool is_doubled_preposition(const std::string& word, unsigned kind, const std::string& next, unsigned next_kind) {
  return (kind & kPreposition) != 0U && (next_kind & kPreposition) != 0U && (word == "of" || next == "of");
}

bool ends_sentence(std::string_view after) {
  return !after.empty() && after.find_first_of(".!?") != std::string_view::npos;
}

/// A full stop after a whole word, with a small letter behind it. Abbreviations are short, or have a point inside.
bool is_false_end(const TextWord& word, const TextWord& next) {
  return (word.after == "." || word.after == "!" || word.after == "?") && word.core.size() >= 4 && !next.opens &&
         !next.core.empty() && is_small(next.core.front()) && is_small(word.core.front()) &&
         word.core.find('.') == std::string_view::npos;
}

/// A small word with a capital in the middle of a sentence.
bool is_false_beginning(const TextWord& word, const TextWord& next) {
  if (!word.after.empty() || next.opens || next.core.size() < 2 || !is_capital(next.core.front())) return false;
  if (word.core.empty() || !is_small(word.core.front()) || !is_small(next.core[1])) return false;
  return is_stop_word(lower_case(next.core));
}

}  // namespace

GrammarBreaks count_grammar_breaks(const std::vector<TextWord>& words) {
  GrammarBreaks breaks;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const TextWord& word = words[i];
    const std::string lower = lower_case(word.core);
    const unsigned kind =
        is_capital(word.core.empty() ? 'x' : word.core.front()) && lower == "a" && !word.opens ? 0U : kind_of(lower);
    bool breaks_here = (kind & kArticle) != 0U && ends_sentence(word.after);
    std::string next_word;
    if (i + 1 < words.size()) {
      const TextWord& next = words[i + 1];
      next_word = std::string(next.core);
      const std::string next_lower = lower_case(next.core);
      const bool together = word.after.empty() && !next.opens;
      const unsigned next_kind = together ? kind_of(next_lower) : kOther;
      breaks_here = breaks_here || (impossible_after(kind) & next_kind) != 0U ||
                    is_doubled_preposition(lower, kind, next_lower, next_kind) || is_false_end(word, next) ||
                    is_false_beginning(word, next);
    }
    if (!breaks_here) continue;
    if (breaks.count == 0) breaks.first = fmt::format("{}{} {}", word.core, word.after, next_word).substr(0, 60);
    ++breaks.count;
  }
  return breaks;
}

}  // namespace mathtrap

#include "harness/explanation.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "harness/conclusion.h"
#include "harness/number_words.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kMinWordLetters = 3;
constexpr std::size_t kMinStemLetters = 3;
constexpr std::int64_t kLeastInWords = 10;  // "two" and "three" are in every text

// Words of grammar, and words that speak of problems and flaws in general.
constexpr std::array kCommonWords = std::to_array<std::string_view>({
    "the",        "and",           "for",        "that",     "this",     "with",     "are",       "was",
    "were",       "has",           "have",       "had",      "not",      "but",      "can",       "cannot",
    "its",        "his",           "her",        "their",    "there",    "these",    "those",     "then",
    "than",       "from",          "into",       "will",     "would",    "should",   "could",     "does",
    "did",        "been",          "being",      "which",    "who",      "what",     "when",      "where",
    "how",        "why",           "all",        "any",      "each",     "other",    "such",      "also",
    "only",       "some",          "more",       "most",     "two",      "both",     "one",       "must",
    "may",        "might",         "problem",    "question", "answer",   "solution", "solve",     "unsolvable",
    "condition",  "given",         "value",      "number",   "since",    "because",  "therefore", "however",
    "true",       "false",         "impossible", "possible", "exist",    "make",     "made",      "need",
    "know",       "known",         "get",        "satisfy",  "conflict", "error",    "undefined", "contradiction",
    "contradict", "contradictory", "you",
});

/// Without a common ending: a word and its plural or past form become the same.
std::string_view stem(std::string_view word) {
  for (const std::string_view ending : {"ing", "ed", "ies", "es", "s", "ly"}) {
    if (word.ends_with(ending) && word.size() - ending.size() >= kMinStemLetters) {
      return word.substr(0, word.size() - ending.size());
    }
  }
  return word;
}

const std::set<std::string_view>& common_stems() {
  static const std::set<std::string_view> stems = [] {
    std::set<std::string_view> made;
    for (const std::string_view word : kCommonWords) made.insert(stem(word));
    return made;
  }();
  return stems;
}

std::set<std::string> telling_words(std::string_view text) {
  std::set<std::string> words;
  const std::string lower = lower_case(digits_for_words(text, kLeastInWords));
  for (std::size_t at = 0; at < lower.size();) {
    const bool letters = is_letter(lower[at]);
    std::size_t end = at;
    while (end < lower.size() && (letters ? is_letter(lower[end]) : is_digit(lower[end]))) ++end;
    const std::string_view word = std::string_view(lower).substr(at, end - at);
    at = std::max(end, at + 1);
    if (word.empty()) continue;
    if (is_digit(word[0])) {
      words.emplace(word);
    } else if (word.size() >= kMinWordLetters && !common_stems().contains(stem(word))) {
      words.emplace(stem(word));
    }
  }
  return words;
}

/// The sentences that match, and their neighbours.
std::string part_about(std::string_view reply, const RE2& words) {
  const std::vector<std::string_view> sentences = split_sentences(reply);
  std::vector<bool> kept(sentences.size() + 2);  // shifted by one, so that neighbours need no bounds
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    if (!RE2::PartialMatch(re2::StringPiece(sentences[i].data(), sentences[i].size()), words)) continue;
    kept[i] = kept[i + 1] = kept[i + 2] = true;
  }
  std::string part;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    if (kept[i + 1]) part.append(sentences[i]) += ' ';
  }
  return part;
}

/// The sentences of a reply that do not stand in the problem.
std::string without_repetition(std::string_view reply, std::string_view problem) {
  std::string own;
  for (const std::string_view sentence : split_sentences(reply)) {
    if (problem.find(sentence) == std::string_view::npos) own.append(sentence) += ' ';
  }
  return own;
}

/// Says of the problem that something is not told or not fixed.
bool explains_lack(std::string_view explanation) {
  static const RE2 lack(
      R"((?i)(?:\b(?:not|never)|n't)\s+(?:\w+\s+)?(?:given|said|stated|told|known|specified|mentioned|determined?|provided|fixed|enough)\b)"
      R"(|\b(?:missing|unknown|undetermined|insufficient)\b|\bcannot\s+be\s+(?:determined|known)\b|\bdepends?\s+on\b)");
  return RE2::PartialMatch(re2::StringPiece(explanation.data(), explanation.size()), lack);
}

/// Says that something is not told, or is wanted. Replies say so in more ways than explanations.
bool complains_of_lack(std::string_view reply) {
  static const RE2 lack(
      R"((?i)(?:\b(?:not|never|nowhere|neither|nothing)|n't)\s+(?:\w+\s+){0,3}?(?:given|said|says?|stated?|tells?|told|know|known|specif(?:y|ied)|mention(?:ed)?|provided?|determined?|fix(?:ed)?|enough)\b)"
      R"(|\b(?:missing|unknown|unclear|unspecified|undetermined|underdetermined|overdetermined|insufficient|incomplete)\b)"
      R"(|\b(?:more|further|additional|another)\s+(?:\w+\s+)?(?:information|data|condition|equation)s?\b)"
      R"(|\bdepends?\s+on\b|\b(?:would|must|have|has|had|'d)\s+(?:have\s+)?(?:to\s+)?(?:need|know|be\s+told|tell|be\s+needed)\b|\b(?:is|are|be)\s+needed\b)"
      R"(|\bwithout\s+(?:an?|the|any|another|knowing|further|that|this|it|its)\b[^.]*(?:\b(?:cannot|no|not)\b|n't))"
      R"(|(?:\b(?:cannot|not)\b|n't)[^.]*\bwithout\s+(?:an?|the|any|another|knowing|further)\b)"
      R"(|\binfinitely\s+many\b|\bunless\b[^.]*\b(?:tells?|told|know)\b|\bsilent\b)"
      R"(|\b(?:leaves?|left)\s+(?:\w+\s+){0,2}(?:out|open)\b|\bonly\b[^.]*\b(?:is|are)\s+(?:given|known)\b)");
  return RE2::PartialMatch(re2::StringPiece(reply.data(), reply.size()), lack);
}

/// The part of the wanted words that is used.
double share(const std::set<std::string>& wanted, const std::set<std::string>& used) {
  if (wanted.empty()) return 0;
  const auto shared =
      std::count_if(wanted.begin(), wanted.end(), [&](const auto& word) { return used.contains(word); });
  return static_cast<double>(shared) / static_cast<double>(wanted.size());
}

/// Whether enough of a reply's telling words are the problem's or the explanation's: a reply to another problem shares
/// few of them, however long it is.
bool on_subject(std::string_view problem, std::string_view explanation, const std::set<std::string>& used) {
  constexpr double kOnSubject = 0.18;
  std::set<std::string> subject = telling_words(problem);
  subject.merge(telling_words(explanation));
  return share(used, subject) >= kOnSubject;
}

}  // namespace

double shared_words(std::string_view explanation, std::string_view reply) {
  static const RE2 objection(
      R"((?i)\b(?:contradict|inconsisten|conflict|cannot|can not|impossible|no (?:\w+ )?(?:solution|answer)|unsolvable|not|undefined|missing|without|insufficient|no such|incorrect|error|mistake|violat|however|but)|n't\b)");
  return share(telling_words(explanation), telling_words(part_about(reply, objection)));
}

bool names_derived_numbers(std::string_view problem, std::string_view explanation, std::string_view reply) {
  const std::set<std::string> stated = telling_words(problem);
  const std::set<std::string> used = telling_words(reply);
  std::set<std::string> derived;
  for (const std::string& word : telling_words(explanation)) {
    if (word.size() >= 2 && is_digit(word[0]) && !stated.contains(word)) derived.insert(word);
  }
  return share(derived, used) >= 0.5 && on_subject(problem, explanation, used);
}

bool gives_reason(std::string_view problem, std::string_view explanation, std::string_view reply) {
  constexpr double kSharedWithWork = 0.15;
  constexpr double kSharedWithoutWork = 0.25;
  constexpr std::ptrdiff_t kFewestShared = 2;
  const std::string own = without_repetition(reply, problem);
  const bool lack = explains_lack(explanation);
  if (!denies(own) || lack != complains_of_lack(own)) return false;
  const std::set<std::string> used = telling_words(own);
  if (!on_subject(problem, explanation, used)) return false;
  const std::set<std::string> stated = telling_words(problem);
  const bool works = std::any_of(used.begin(), used.end(),
                                 [&](const std::string& word) { return is_digit(word[0]) && !stated.contains(word); });
  if (lack && works) return true;
  const std::set<std::string> explained = telling_words(explanation);
  const auto shared =
      std::count_if(explained.begin(), explained.end(), [&](const auto& word) { return used.contains(word); });
  return shared >= kFewestShared && share(explained, used) >= (works ? kSharedWithWork : kSharedWithoutWork);
}

bool names_conflict(const std::vector<std::string>& sentences, std::string_view reply) {
  static const RE2 conflict(
      R"((?i)\b(?:contradict|inconsisten|incompatib|conflict|disagree|at odds|impossible|not possible|no such|undefined|not defined)|(?:\bcannot|\bcan not|\bcan't|\bcouldn't) (?:\w+ )?(?:both|be|exist|have|hold)\b|(?:\bnot|n't) exist\b)");
  const std::set<std::string> used = telling_words(part_about(reply, conflict));
  return !sentences.empty() && std::all_of(sentences.begin(), sentences.end(), [&](const std::string& sentence) {
    return share(telling_words(sentence), used) >= kSharedWords;
  });
}

}  // namespace mathtrap

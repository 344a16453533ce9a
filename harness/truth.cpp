// Replies to true/false questions.
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <string>

#include "harness/extraction.h"
#include "support/text.h"

namespace mathtrap {
namespace {

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

/// An answer, and where its word ends.
struct Word {
  Truth truth;
  std::size_t end = 0;
};

bool means_true(std::string_view word) {
  static constexpr std::array kTrue =
      std::to_array<std::string_view>({"true", "yes", "correct", "right", "certainly", "indeed", "absolutely",
                                       "definitely", "exactly", "of course", "yep"});
  const std::string lower = lower_case(word);
  return std::find(kTrue.begin(), kTrue.end(), lower) != kTrue.end();
}

/// "It does.", "They can't.": the whole answer is a pronoun and a verb. Or, at the end, "so it can be."
Word short_sentence(std::string_view text) {
  static const RE2 opening(
      R"((?i)^[\s*_"'(]*(?:it|they|this|that|he|she|there|one|you|we)\s+(?:always\s+|never\s+)?(?:does|do|did|is|are|can|could|will|would|must|has|have|may|holds?)(n't|not|\s+not)?\s*([.!,;:]|\s-))");
  static const RE2 closing(
      R"((?i)\b(?:so|therefore|thus|hence)\s+(?:it|they|this|that|there|one|you|we)\s+(?:does|do|is|are|can|could|will|must)(n't|not|\s+not)?(?:\s+(?:be|so|hold|exist))?\s*[.!*]*\s*$)");
  re2::StringPiece negation;
  re2::StringPiece end;
  if (RE2::PartialMatch(piece(text), opening, &negation, &end)) {
    return {{negation.empty(), true}, static_cast<std::size_t>(end.data() - text.data())};
  }
  if (RE2::PartialMatch(piece(text), closing, &negation)) return {{negation.empty(), true}, text.size()};
  return {};
}

/// The first match of `pattern`, whose group 1 is the word; "true or false" and "yes/no" repeat the question.
Word first_word(const RE2& pattern, std::string_view text) {
  static const RE2 choice(R"((?i)^\**\s*(?:or|/)\s*\**(?:true|false|yes|no)\b)");
  static const RE2 alternative_before(R"((?i)(?:true|yes)\s*(?:or|/)\s*\**$)");
  std::array<re2::StringPiece, 2> groups;
  std::size_t from = 0;
  while (pattern.Match(piece(text), from, text.size(), RE2::UNANCHORED, groups.data(), 2)) {
    const auto begin = static_cast<std::size_t>(groups[1].data() - text.data());
    const std::size_t end = begin + groups[1].size();
    const bool repeats =
        RE2::PartialMatch(piece(text.substr(end)), choice) ||
        RE2::PartialMatch(piece(text.substr(begin > 16 ? begin - 16 : 0, std::min<std::size_t>(begin, 16))),
                          alternative_before);
    if (!repeats) return {{means_true({groups[1].data(), groups[1].size()}), end < text.size()}, end};
    from = end;
  }
  return {};
}

/// "this is not true": the last one stands.
Word last_statement(std::string_view text) {
  static const RE2 statement(
      R"((?i)\b(?:statement|claim|assertion|this|that|it|which|therefore|thus|hence|so|answer)\b[^.\n]{0,40}?\b(?:is|are|must be)\s+(not\s+)?(?:therefore\s+|thus\s+|indeed\s+|definitely\s+|actually\s+|also\s+)?(true|false|correct|incorrect|right|wrong)\b)");
  static const RE2 holds(
      R"((?i)\b(?:the|that|this)\s+(?:statement|claim|assertion)\s+(does\s+not\s+|doesn't\s+|always\s+|indeed\s+)?(?:holds?|stands?)\b)");
  Word last;
  std::array<re2::StringPiece, 3> groups;
  std::size_t from = 0;
  while (statement.Match(piece(text), from, text.size(), RE2::UNANCHORED, groups.data(), 3)) {
    from = static_cast<std::size_t>(groups[2].data() - text.data()) + groups[2].size();
    const bool negated = !groups[1].empty();
    last = {{means_true({groups[2].data(), groups[2].size()}) != negated, from < text.size()}, from};
  }
  re2::StringPiece how;
  if (!last.truth.value && RE2::PartialMatch(piece(text), holds, &how)) {
    const bool negated = !how.empty() && lower_case({how.data(), how.size()}).starts_with("does");
    last = {{!negated, true}, text.size()};
  }
  return last;
}

}  // namespace

Truth find_truth(std::string_view proper) {
  static const RE2 marked(
      R"((?i)(?:\\f?box(?:ed)?\s*\{\s*(?:\\text\w*\s*\{\s*)?|####\s*|\banswer\b[*_]*(?:\s+to\s+[^.:\n]{1,80}?)?(?:\s+is\b|\s*[*_]*:)\s*:?[\s*_"$]*(?:\\f?boxed\s*\{\s*)?(?:\\text\w*\s*\{\s*)?)(true|false|yes|no)\b)");
  static const RE2 leading(
      R"((?i)^[\s*_"'#>$(:]*(true|false|yes|yep|certainly|indeed|absolutely|definitely|of course)\b)");
  static const RE2 leading_judgement(
      R"((?i)^[\s*_"'#>$(:]*(correct|right|exactly|incorrect|wrong|nope)\s*(?:[.!,;:*-]|$))");
  static const RE2 qualified_no(
      R"((?i)^[\s*_"']*(?:not\s+[\w\s]{1,30}[,;]\s*(no)\b|(no)\s+way\b|(not)\s+(?:at\s+all|quite|necessarily|in\s+general|always)\b))");
  // "…, so yes." and "→ false" at the end
  static const RE2 closing(
      R"((?i)(?:\b(?:so|therefore|thus|hence|conclusion:)|→|->|=>|\\Rightarrow\$?|\\to\$?)[,:]?\s*(?:the\s+answer\s+(?:is\s+)?)?[*_"]*(true|false|yes|no)[*_"]*\s*[.!]*\s*$)");
  static const RE2 leading_no(
      R"((?i)^[\s*_"'#>$(:]*(no)(?:\s*$|\*|\s*[,.;:!\n-]|\s+(?:it|they|this|that|he|she|we|you)\b))");
  static const RE2 sentence(R"((?i)(?:[.!?:]\s+|\n\s*)[*_]*(true|false|yes|no)[*_"]*\s*(?:[.!,;\n]|$))");
  const std::string plain = plain_punctuation(proper);
  const std::array<Word, 6> found = {
      first_word(marked, plain),   first_word(leading, plain),           first_word(leading_no, plain),
      first_word(sentence, plain), first_word(leading_judgement, plain), short_sentence(plain)};
  Word first;
  for (const Word& word : found) {
    if (word.truth.value && (!first.truth.value || word.end < first.end)) first = word;
  }
  if (first.truth.value) return first.truth;
  if (RE2::PartialMatch(piece(plain), qualified_no)) return {false, true};
  if (const Word last = first_word(closing, plain); last.truth.value) return last.truth;
  return last_statement(plain).truth;
}

}  // namespace mathtrap

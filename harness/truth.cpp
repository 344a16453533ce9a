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
  const std::string lower = lower_case(word);
  return lower == "true" || lower == "yes" || lower == "correct" || lower == "right";
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
  Word last;
  std::array<re2::StringPiece, 3> groups;
  std::size_t from = 0;
  while (statement.Match(piece(text), from, text.size(), RE2::UNANCHORED, groups.data(), 3)) {
    from = static_cast<std::size_t>(groups[2].data() - text.data()) + groups[2].size();
    const bool negated = !groups[1].empty();
    last = {{means_true({groups[2].data(), groups[2].size()}) != negated, from < text.size()}, from};
  }
  return last;
}

}  // namespace

Truth find_truth(std::string_view proper) {
  static const RE2 marked(
      R"((?i)(?:\\f?box(?:ed)?\s*\{\s*(?:\\text\w*\s*\{\s*)?|####\s*|\banswer\b[*_]*(?:\s+to\s+[^.:\n]{1,80}?)?(?:\s+is\b|\s*[*_]*:)\s*:?[\s*_"$]*(?:\\f?boxed\s*\{\s*)?(?:\\text\w*\s*\{\s*)?)(true|false|yes|no)\b)");
  static const RE2 leading(R"((?i)^[\s*_"'#>$(:]*(true|false|yes)\b)");
  static const RE2 leading_no(
      R"((?i)^[\s*_"'#>$(:]*(no)(?:\s*$|\*|\s*[,.;:!\n-]|\s+(?:it|they|this|that|he|she|we|you)\b))");
  static const RE2 sentence(R"((?i)(?:[.!?:]\s+|\n\s*)[*_]*(true|false|yes|no)[*_"]*\s*(?:[.!,;\n]|$))");
  const std::string plain = plain_punctuation(proper);
  const std::array<Word, 4> found = {first_word(marked, plain), first_word(leading, plain),
                                     first_word(leading_no, plain), first_word(sentence, plain)};
  Word first;
  for (const Word& word : found) {
    if (word.truth.value && (!first.truth.value || word.end < first.end)) first = word;
  }
  return first.truth.value ? first.truth : last_statement(plain).truth;
}

}  // namespace mathtrap

#include "harness/extraction.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "harness/choices.h"
#include "harness/displayed.h"
#include "harness/math_run.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kMaxReplyBytes = std::size_t{1} << 20;
constexpr std::size_t kNowhere = std::string_view::npos;
constexpr std::size_t kMaxBoxBytes = 4000;  // what a box may hold; a text full of boxes that do not close stays cheap
constexpr std::size_t kMaxLineBytes = 500;  // how far behind "the answer is" a box is looked for
constexpr int kMaxRetractions = 32;         // answers taken back before reading stops asking for another

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

/// Where `pattern` matches at or behind `from`: [begin, end); begin is npos when it does not.
struct Span {
  std::size_t begin = kNowhere;
  std::size_t end = kNowhere;
};

Span find_pattern(const RE2& pattern, std::string_view text, std::size_t from) {
  re2::StringPiece match;
  if (from > text.size() || !pattern.Match(piece(text), from, text.size(), RE2::UNANCHORED, &match, 1)) return {};
  const auto begin = static_cast<std::size_t>(match.data() - text.data());
  return {begin, begin + match.size()};
}

std::string_view behind_thoughts(std::string_view reply) {
  static constexpr std::string_view kEnd = "</think>";
  const std::size_t at = reply.rfind(kEnd);
  if (at != kNowhere) return reply.substr(at + kEnd.size());
  // Thoughts that did not end: there is no reply yet.
  return trim_blanks(reply).starts_with("<think>") ? std::string_view{} : reply;
}

/// Where a further question begins.
std::size_t run_on_begin(std::string_view text) {
  static const RE2 further(
      R"((?i)\n\s*(?:\**(?:question|problem|q)\s*\d*\**\s*:|(?:user|human|instruction)\s*:|#{2,3}\s*(?:instruction|input|question|problem)\b|below is an instruction\b|<\|))");
  return find_pattern(further, text, 0).begin;
}

/// The brace-balanced content of \boxed or \fbox at or behind `from`, or the token behind "\boxed ".
FinalAnswer find_boxed(std::string_view text, std::size_t from) {
  static const RE2 mark(R"(\\f?box(?:ed)?\s*)");
  for (Span found = find_pattern(mark, text, from); found.begin != kNowhere;
       found = find_pattern(mark, text, found.end)) {
    if (found.end >= text.size()) break;
    if (text[found.end] == '{') {
      const std::size_t close = closing_brace(text.substr(0, found.end + kMaxBoxBytes), found.end);
      if (close == kNowhere) continue;  // cut off inside, or broken: a later one may be whole
      return {AnswerMark::boxed, std::string(text.substr(found.end + 1, close - found.end - 1)), close + 1, true,
              false};
    }
    const std::size_t end = std::min(text.find_first_of("$ \n", found.end), text.size());
    if (end == found.end || text[found.end - 1] != ' ') continue;
    return {AnswerMark::boxed, std::string(text.substr(found.end, end - found.end)), end, end < text.size(), false};
  }
  return {};
}

/// "\boxed{1} and \boxed{2}" is one answer of two parts.
FinalAnswer find_boxed_parts(std::string_view text, std::size_t from) {
  static const RE2 between(R"(^[\s$]*(?:,|and|or|,\s*and|,\s*or)[\s$]*(?:\w\s*=\s*)?\\f?box(?:ed)?\s*\{)");
  FinalAnswer answer = find_boxed(text, from);
  while (answer.mark != AnswerMark::none && find_pattern(between, text.substr(answer.end), 0).begin == 0) {
    const FinalAnswer further = find_boxed(text, answer.end);
    if (further.mark == AnswerMark::none) break;
    answer.text += ", " + further.text;
    answer.end = further.end;
  }
  return answer;
}

/// Up to the end of a short phrase: "Monday", "at noon". Empty when it is long, or begins as an explanation does.
std::string_view phrase(std::string_view text) {
  static constexpr std::size_t kMaxWords = 4;
  static constexpr std::size_t kMaxPhraseBytes = 200;
  static const RE2 explanation(
      R"((?i)^(?:obtained|found|given|not|as|to|that|in|by|because|we|computed|calculated|the\s+(?:following|same|sum|product|difference|number|value|result)|clear|clearly|simple|simply|straightforward|what|how|therefore|thus|so|then|based)\b)");
  const std::string_view near = text.substr(0, kMaxPhraseBytes);
  const std::string_view sentence = trim_blanks(near.substr(0, near.find_first_of(".\n,;:!?")));
  const auto words = 1 + std::count(sentence.begin(), sentence.end(), ' ');
  if (static_cast<std::size_t>(words) > kMaxWords || RE2::PartialMatch(piece(sentence), explanation)) return {};
  return sentence;
}

/// Blanks, emphasis and words such as "approximately" before an answer.
std::size_t dressing_length(std::string_view text) {
  static const RE2 dressing(
      R"((?i)^(?:[\s*:_"]|\\\[|\\\(|(?:approximately|about|exactly|simply|just|therefore|thus|also|then|now|equal\s+to|going\s+to\s+be|option|choice)\b)*)");
  const Span span = find_pattern(dressing, text, 0);
  return span.begin == 0 ? span.end : 0;
}

/// True when the text behind an answer shows that it is whole: a unit, a full stop, a line break, not a digit to come.
bool ends_here(std::string_view text, std::size_t end) {
  return end < text.size() && (text[end] != '.' || end + 1 < text.size());
}

FinalAnswer value_at(std::string_view text, std::size_t from, AnswerMark mark) {
  const std::size_t begin = from + dressing_length(text.substr(from));
  const std::string_view rest = text.substr(begin);
  const std::string_view run = math_run(rest);
  const std::string_view value = run.empty() ? phrase(rest) : run;
  if (value.empty()) return {};
  const std::size_t end = begin + static_cast<std::size_t>(value.data() - rest.data()) + value.size();
  return {mark, std::string(value), end, ends_here(text, end), false};
}

FinalAnswer find_hashes(std::string_view text, std::size_t from) {
  static const RE2 mark(R"((?m)####[ \t]*)");
  for (Span found = find_pattern(mark, text, from); found.begin != kNowhere;
       found = find_pattern(mark, text, found.end)) {
    if (found.end < text.size() && text[found.end] == '\n') continue;
    FinalAnswer answer = value_at(text, found.end, AnswerMark::hashes);
    if (answer.mark != AnswerMark::none) return answer;
  }
  return {};
}

/// "the answer is …" where what follows is mathematics; with `phrases`, words too.
FinalAnswer find_stated(std::string_view text, std::size_t from, bool phrases) {
  static const RE2 mark(
      R"((?i)(?:\bfinal\s+answer\b[*_]*\s*\n+|\b(?:correct|right|best)\s+(?:option|choice)\s+is\b|\banswer\b[*_]*(?:\s*\([^()\n]{1,60}\))?(?:\s*[*_]*:[*_]*|\s*=|(?:\s+(?:to|for)\s+[^.:\n]{1,80}?)?\s+(?:is|are|equals|comes?\s+(?:out\s+)?to|(?:will|must|should|would|could)\s+(?:then\s+|therefore\s+)?be)\b[ \t]*:?))[\s*]*)");
  static const RE2 supposition(R"((?i)\b(?:would|could)\s+(?:then\s+|therefore\s+)?be\b)");
  static const RE2 denial(
      R"((?i)(?:\b(?:if|suppose|assume|assuming|whether|unless)\s+(?:that\s+)?(?:the|its?|your)?\s*(?:final\s+|correct\s+)?|\bno\s+(?:\w+\s+)?)$)");
  for (Span found = find_pattern(mark, text, from); found.begin != kNowhere;
       found = find_pattern(mark, text, found.end)) {
    const std::size_t clause = found.begin > 40 ? found.begin - 40 : 0;
    if (RE2::PartialMatch(piece(text.substr(clause, found.begin - clause)), denial)) continue;
    // A box on the same line is found as such.
    const std::string_view near = text.substr(found.end, kMaxLineBytes);
    if (near.substr(0, near.find('\n')).find("\\boxed{") != kNowhere) continue;
    FinalAnswer answer = value_at(text, found.end, AnswerMark::stated);
    if (answer.mark == AnswerMark::none) continue;
    if (!phrases && math_run(text.substr(answer.end - answer.text.size())).empty()) continue;
    answer.supposed = RE2::PartialMatch(piece(text.substr(found.begin, found.end - found.begin)), supposition);
    return answer;
  }
  return {};
}

/// "Wait, …", "No, that is wrong" behind an answer.
bool taken_back(std::string_view text, std::size_t end) {
  static const RE2 retraction(
      R"((?i)^[\s.!$*)\]}\\]*(?:but\s+)?(?:wait|hmm+|oops|hold on|correction|actually,?\s+(?:no|wait|that|i|let)|no,\s+(?:that|wait|this|i)|let me (?:re-?check|re-?think|re-?do|re-?consider|correct|try again)|(?:that|this)(?:'s|\s+is)\s+(?:wrong|incorrect|not right|not correct|a mistake)|i made (?:a|an) (?:mistake|error))\b)");
  return find_pattern(retraction, text.substr(end), 0).begin == 0;
}

FinalAnswer first_marked(std::string_view text, std::size_t from) {
  const std::array<FinalAnswer, 3> found = {find_boxed_parts(text, from), find_hashes(text, from),
                                            find_stated(text, from, false)};
  FinalAnswer first;
  for (const FinalAnswer& answer : found) {
    if (answer.mark != AnswerMark::none && (first.mark == AnswerMark::none || answer.end < first.end)) first = answer;
  }
  return first.mark == AnswerMark::none ? find_stated(text, from, true) : first;
}

FinalAnswer unmarked(std::string_view proper, std::string_view answer) {
  const auto end = static_cast<std::size_t>(answer.data() - proper.data()) + answer.size();
  return {AnswerMark::last, std::string(answer), end, false, false};
}

/// The last choice that is named, where choices were asked for; the last displayed equation, unless what follows it
/// concludes something else; else the last expression.
FinalAnswer unmarked_answer(std::string_view proper, bool lettered) {
  const std::string_view choice = lettered ? last_named_choice(proper) : std::string_view{};
  if (!choice.empty()) return unmarked(proper, choice);
  const std::string_view shown = last_displayed(proper);
  if (!shown.empty()) {
    const auto behind = static_cast<std::size_t>(shown.data() - proper.data()) + shown.size();
    if (!draws_conclusion(proper.substr(behind))) return unmarked(proper, shown);
  }
  const std::string_view last = last_expression(proper);
  return last.empty() ? FinalAnswer{} : unmarked(proper, last);
}

}  // namespace

std::string_view to_string(AnswerMark mark) {
  switch (mark) {
    case AnswerMark::boxed:
      return "\\boxed";
    case AnswerMark::hashes:
      return "####";
    case AnswerMark::stated:
      return "\"the answer is\"";
    case AnswerMark::last:
      return "the last expression";
    case AnswerMark::none:
      break;
  }
  return "no mark";
}

std::string_view reply_proper(std::string_view reply) {
  const std::string_view text = behind_thoughts(reply.substr(0, kMaxReplyBytes));
  return text.substr(0, run_on_begin(text));
}

bool runs_on(std::string_view reply) {
  return run_on_begin(behind_thoughts(reply.substr(0, kMaxReplyBytes))) != kNowhere;
}

FinalAnswer find_final_answer(std::string_view proper, bool lettered) {
  std::size_t from = 0;
  FinalAnswer answer = first_marked(proper, from);
  for (int i = 0; i < kMaxRetractions && answer.mark != AnswerMark::none && taken_back(proper, answer.end); ++i) {
    from = answer.end;
    const FinalAnswer further = first_marked(proper, from);
    if (further.mark == AnswerMark::none) break;
    answer = further;
  }
  if (answer.mark != AnswerMark::none) return answer;
  return unmarked_answer(proper, lettered);
}

}  // namespace mathtrap

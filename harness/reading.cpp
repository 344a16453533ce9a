#include "harness/reading.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <utility>

#include "harness/conclusion.h"
#include "harness/number_words.h"
#include "support/text.h"

namespace mathtrap {
namespace {

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

/// Says of the problem, or of its answer, that there is none.
const RE2& no_answer_statement() {
  static const RE2 pattern(
      // "no answer", "no valid solution", "not have a solution"
      R"((?i)\bno\s+(?:(?:such|valid|possible|real|unique|single|definite|definitive|correct|meaningful|integer|whole[- ]number|numeric(?:al)?|consistent|sensible|logical|well-defined|\w+al)\s+){0,3}(?:answers?|solutions?)\b)"
      R"(|\b(?:not|n't)\s+have\s+(?:an?|any)\s+(?:\w+\s+){0,2}(?:answer|solution)\b)"
      R"(|\b(?:there\s+(?:is|are)\s+not|there\s+(?:is|are)n't)\s+(?:an?|any)\s+(?:\w+\s+){0,2}(?:answer|solution)s?\b)"
      // "cannot be determined"
      R"(|\b(?:cannot|can\s+not|can't|could\s+not|couldn't)\s+be\s+(?:\w+ly\s+)?(?:answered|solved|determined)\b)"
      // "the problem, as stated, is impossible"
      R"(|\b(?:problem|question|task|exercise|answer|solution)\s+(?:(?:as\s+(?:stated|given|posed|written|described)|itself),?\s+)?(?:is|seems|appears\s+to\s+be|becomes)\s+(?:(?:\w+ly|thus|therefore|hence|then|also)\s+)?(?:unsolvable|unanswerable|impossible|ill-?posed|ill-?defined|meaningless|nonsensical|undefined|indeterminate|unknown|underdetermined|not\s+(?:solvable|answerable|possible|well-?defined|defined|determined|known|valid))\b)"
      R"(|\bnot\s+(?:have\s+|given\s+)?enough\s+(?:\w+\s+){0,2}(?:information|data|details?)\b)"
      R"(|\binsufficient\s+(?:\w+\s+){0,2}(?:information|data|details?)\b)");
  return pattern;
}

/// Says that something asked for does not exist, or cannot be had. In a solution it may speak of a step.
const RE2& impossibility_statement() {
  static const RE2 pattern(
      R"((?i)\bno\s+such\s+(?:\w+\s+){0,3}(?:exists?|is possible|are possible|can exist)\b)"
      R"(|\bthere\s+(?:is|are|exists?)\s+no\s+(?:such|possible|valid|real|way|\w+est|maximum|minimum)\b)"
      R"(|\b(?:cannot|can\s+not|can't|could\s+not|couldn't|unable\s+to|impossible\s+to|not\s+possible\s+to|no\s+way\s+to|not\s+able\s+to)\s+(?:be\s+)?(?:\w+ly\s+)?(?:answer|solve|determine|find|compute|calculate|give|know|tell|say|conclude|figure|decide|provide|exist|be\s+possible)\w*)"
      R"(|\b(?:lacks?|lacking|needs?\s+more|missing|without|(?:more|additional))\s+(?:\w+\s+){0,2}(?:information|data|details?|conditions?)\s+(?:is|are|needed|required|necessary|to|about|on|for)\b)"
      R"(|\b(?:lacks?|lacking|needs?\s+more|missing)\s+(?:\w+\s+)?(?:information|conditions?)\b)"
      R"(|\b(?:is|are|remains?|becomes?|seems)\s+(?:\w+ly\s+|then\s+|thus\s+|therefore\s+)?(?:undefined|not\s+defined|not\s+possible|indeterminate|undetermined|impossible|nonexistent|non-existent|unsolvable|unknown|meaningless)\b)"
      R"(|(?:^|[.:!]\s+)(?:impossible|undefined|unsolvable)\b)"
      // "no schedule like this exists", "no year qualifies", "No day.", "so there's no pair", "it has no slope"
      R"(|\bno\s+(?:\w+\s+){0,2}(?:(?:like|of)\s+(?:this|that)\s+(?:kind\s+|sort\s+)?)?(?:exists?|qualif(?:y|ies)|fits?|satisf(?:y|ies)|meets?)\b)"
      R"(|(?:^|[.!?]\s+)no\s+(?:such\s+)?\$?[a-z]+\$?\s*[.!](?:\s|$))"
      R"(|\b(?:so|therefore|thus|hence|and|means)\s+there(?:'s|\s+is|\s+are)\s+no(?:t\s+any)?\s+\w+)"
      R"(|\b(?:has|have)\s+no\s+(?:\w+\s+)?(?:slope|value|limit|direction|inverse|meaning|sum|maximum|minimum|root|area|angle|size|such)\b)"
      R"(|\bno\s+(?:single|unique|definite|fixed|particular|one)\s+(?:value|number|result|figure|amount)\b)"
      // "isn't fixed by what is given", "could be anything", "stays open", "unless someone tells me"
      R"(|\b(?:is|are|was|were)(?:n't|\s+not|\s+never)\s+(?:\w+ly\s+)?(?:fixed|determined|settled|pinned\s+down|unique|defined|specified|known|determinable|solvable|answerable|in\s+the\s+domain)\b)"
      R"(|\b(?:can|could|may|might)\s+(?:still\s+|just\s+as\s+well\s+)?be\s+(?:anything|any\s+(?:number|value|real|amount|of)|lots\s+of|many|several|either)\b)"
      R"(|\b(?:stays?|remains?|left)\s+(?:\w+\s+)?open\b|\bleaves?\s+(?:that|this|it|\w+\s+value)\s+open\b)"
      R"(|\b(?:no|without\s+any)\s+means\s+(?:of|to)\b|\bneeds?\s+(?:one|another|a)\s+(?:more|further|second|third)?\s*(?:clue|condition|fact|piece|equation)\b)"
      R"(|\bunless\s+(?:some(?:one|body)|we|you|i|it)\s+(?:is\s+|are\s+)?(?:tells?|told|says?|said|knows?|knew|given)\b)"
      R"(|\b(?:cannot|can\s+not|can't)\s+be\s+(?:\w+ly\s+)?(?:drawn|built|constructed|formed|evaluated)\b)"
      R"(|\b(?:does\s+not|doesn't|do\s+not|don't|cannot|can't)\s+(?:actually\s+|really\s+|even\s+)?exist\b)");
  return pattern;
}

/// Says that something is wrong with what is stated.
const RE2& flaw_statement() {
  static const RE2 pattern(
      R"((?i)\b(?:contradict\w*|inconsisten\w*|incompatible|conflict(?:s|ing)?|self-contradict\w*|(?:can|could)\s*not\s+both|can't\s+both|cannot\s+(?:be\s+)?(?:true|hold|happen|have)|not\s+(?:make\s+sense|consistent)|doesn't\s+make\s+sense|makes\s+no\s+sense|not\s+(?:stated|given|specified|said|provided|known)|flawed|mistake\s+in\s+the\s+(?:problem|question))\b)");
  return pattern;
}

/// Where the last match that is not hedged ends; 0 when there is none. `words` gets the first match.
std::size_t last_statement(const RE2& pattern, std::string_view text, std::string& words) {
  static const RE2 hedge(
      R"((?i)\b(?:may|might|if|whether|unless|assume|assuming|suppose|not\s+true\s+that)\b[^.,;:\n]*$)"
      R"(|\bif\b[^.\n]*,[^.,\n]*\bwould\b[^.,\n]*$)");
  std::size_t last = 0;
  re2::StringPiece match;
  std::size_t from = 0;
  while (from < text.size() && pattern.Match(piece(text), from, text.size(), RE2::UNANCHORED, &match, 1)) {
    const auto begin = static_cast<std::size_t>(match.data() - text.data());
    from = begin + std::max<std::size_t>(1, match.size());
    constexpr std::size_t kClause = 80;  // how far back a hedge is looked for
    const std::size_t clause = begin > kClause ? begin - kClause : 0;
    if (RE2::PartialMatch(piece(text.substr(clause, begin - clause)), hedge)) continue;
    if (last == 0) words = std::string(match.data(), match.size());
    last = from;
  }
  return last;
}

/// "So he has 12 left" in `tail`, the text of the last sentence behind the last statement against an answer: it draws
/// an answer, denies nothing, and gives no reason.
bool concludes_with_value(std::string_view tail) {
  static const RE2 conclusion(
      R"((?i)(?:^|\b)(?:so|therefore|thus|hence|consequently|we\s+(?:get|take|choose)|(?:i|we)(?:'ll|\s+will)\s+(?:take|assume|use))\b[^\n]*\d|\*\*[^*\n]*\d[^*\n]*\*\*\W*$)");
  static const RE2 denial(
      R"((?i)^\W*(?:because|since|as|for)\b|\b(?:no|not|cannot|can't|isn't|aren't|never|neither|nor|impossible|undefined|unless|if)\b|n't\b|contradict|inconsisten|conflict)");
  return RE2::PartialMatch(piece(tail), conclusion) && !RE2::PartialMatch(piece(tail), denial);
}

/// Where the last statement of each kind ends; 0 when there is none.
struct Statements {
  std::size_t no_answer = 0;
  std::size_t impossibility = 0;
  std::size_t flaw = 0;
  std::string words;  ///< of the first statement of the strongest kind
};

Statements find_statements(std::string_view text) {
  Statements found;
  std::string words;
  found.flaw = last_statement(flaw_statement(), text, found.words);
  found.impossibility = last_statement(impossibility_statement(), text, words);
  if (found.impossibility != 0) found.words = words;
  found.no_answer = last_statement(no_answer_statement(), text, words);
  if (found.no_answer != 0) found.words = words;
  return found;
}

/// Whether the answer that was found outweighs the statements that speak against one; see read_reply.
bool answer_stands(const FinalAnswer& answer, std::string_view text, const Statements& against) {
  if (answer.mark == AnswerMark::none) return false;
  const bool marked = answer.mark != AnswerMark::last && !answer.supposed;
  if (marked) return answer.end > against.no_answer;
  const std::size_t last_end = std::max({against.no_answer, against.impossibility, against.flaw});
  if (last_end == 0) return true;
  const std::string_view sentence = last_sentence(text);
  const std::size_t sentence_end = static_cast<std::size_t>(sentence.data() - text.data()) + sentence.size();
  if (last_end >= sentence_end) return false;
  const std::size_t tail = std::min(sentence.size(), sentence_end - last_end);
  return concludes_with_value(sentence.substr(sentence.size() - tail));
}

/// "e.g." and its like end no sentence.
std::string plain_abbreviations(std::string_view text) {
  std::string plain(text);
  for (const auto& [from, to] : {std::pair<std::string_view, std::string_view>{"e.g.", "for example"},
                                 {"i.e.", "that is"},
                                 {" etc. ", " and so on "}}) {
    plain = replace_all(plain, from, to);
  }
  return plain;
}

}  // namespace

bool says_no_answer(std::string_view answer) {
  static const RE2 none(
      R"((?i)^\W*(?:\\text\s*\{)?\s*(?:none|n/?a|undefined|indeterminate|impossible|unsolvable|unanswerable|unknown|(?:does\s+not|doesn't)\s+exist|dne|no\s+(?:\w+\s+){0,2}(?:solutions?|answers?)|not\s+(?:defined|possible|determinable|enough\s+information|solvable)|(?:cannot|can't|can\s+not)\s+be\s+\w+|insufficient\s+\w+|\\(?:emptyset|varnothing)|inconclusive|contradiction)\W*$)");
  return RE2::PartialMatch(piece(answer), none);
}

Reading read_reply(std::string_view reply, bool lettered) {
  Reading reading;
  reading.proper = plain_abbreviations(plain_punctuation(reply_proper(reply)));
  reading.answer = find_final_answer(reading.proper, lettered);
  const std::string closing = closing_sentence(reading.proper);
  reading.objects = objects(closing);
  reading.concludes = concludes(closing);
  const Statements against = find_statements(reading.proper);
  if (reading.answer.mark == AnswerMark::none || reading.answer.mark == AnswerMark::last) {
    reading.values = concluded_values(reading.proper);
    // A choice that is named last is what a reply comes to, though it is no value.
    if (lettered && reading.answer.mark == AnswerMark::last) reading.values.push_back(reading.answer.text);
    const bool in_words =
        reading.answer.mark == AnswerMark::none && !reading.values.empty() && concludes(digits_for_words(closing));
    if (in_words) reading.answer = {AnswerMark::last, reading.values.front(), reading.proper.size(), false, false};
  }
  if (reading.answer.mark != AnswerMark::none && says_no_answer(reading.answer.text)) {
    reading.declines = true;
    reading.declined = reading.answer.text;
  } else {
    reading.declines = !answer_stands(reading.answer, reading.proper, against);
    reading.declined = against.words;
  }
  if (reading.declines) {
    reading.answer = {};
    reading.values.clear();
  } else {
    reading.declined.clear();
  }
  return reading;
}

}  // namespace mathtrap

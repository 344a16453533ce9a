#include "harness/judge.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "harness/choices.h"
#include "harness/explanation.h"
#include "harness/extraction.h"
#include "harness/reading.h"
#include "support/error.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::array kVerdictNames = std::to_array<std::pair<Verdict, std::string_view>>({
    {Verdict::correct, "correct"},
    {Verdict::incorrect, "incorrect"},
    {Verdict::no_answer, "no_answer"},
    {Verdict::flaw_named, "flaw_named"},
    {Verdict::refused, "refused"},
    {Verdict::answered, "answered"},
    {Verdict::cut_off, "cut_off"},
    {Verdict::unscored, "unscored"},
    {Verdict::failed, "failed"},
    {Verdict::unjudged, "unjudged"},
});

constexpr std::int64_t kPatternMemory = std::int64_t{1} << 20;

/// A reply without the problem that it begins by repeating.
std::string_view behind_repetition(std::string_view reply, std::string_view problem) {
  const std::string_view repeated = trim_blanks(problem);
  const std::string_view begun = trim_blanks(reply);
  return !repeated.empty() && begun.starts_with(repeated) ? begun.substr(repeated.size()) : reply;
}

/// Words of a reply within a reason: on one line, and not longer than a reader wants.
std::string quoted(std::string_view words) {
  constexpr std::size_t kLength = 80;
  std::string line(words.substr(0, kLength));
  std::replace(line.begin(), line.end(), '\n', ' ');
  return fmt::format("\"{}{}\"", line, words.size() > kLength ? "…" : "");
}

Judgement cut_off() {
  return {Verdict::cut_off, "", "the token limit came before a finished answer"};
}

/// The words of the first evidence pattern that matches.
std::optional<std::string> find_evidence(const std::vector<std::string>& patterns, const std::string& reply) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemory);
  for (const std::string& text : patterns) {
    const RE2 pattern(text, options);
    if (!pattern.ok()) throw Error(fmt::format("evidence pattern \"{}\": {}", text, pattern.error()));
    re2::StringPiece match;
    if (pattern.Match(reply, 0, reply.size(), RE2::UNANCHORED, &match, 1))
      return std::string(match.data(), match.size());
  }
  return std::nullopt;
}

/// Whether the reply's answer states the reference. Without a mark it is what the end of the reply comes to.
bool states_answer(const Reading& reading, const Reference& reference, Equivalence equivalence) {
  const auto states = [&](const std::string& value) {
    return states_reference(reference.problem, reference.text, value, equivalence);
  };
  if (reading.answer.mark != AnswerMark::last) return states(reading.answer.text);
  return std::any_of(reading.values.begin(), reading.values.end(), states) ||
         (!reading.values.empty() && states(reading.answer.text));
}

Judgement judge_original(const Reference& reference, const Reading& reading, Equivalence equivalence) {
  if (reading.declines) {
    const std::string reason = reading.declined.empty() ? "no answer is given" : "says " + quoted(reading.declined);
    return {says_no_answer(reference.text) && !reading.declined.empty() ? Verdict::correct : Verdict::no_answer, "",
            reason, !reading.declined.empty()};
  }
  const bool equal = states_answer(reading, reference, equivalence);
  return {equal ? Verdict::correct : Verdict::incorrect, reading.answer.text,
          fmt::format("answer by {}", to_string(reading.answer.mark)),
          equal || reading.answer.mark != AnswerMark::last};
}

Judgement judge_trap(const Reference& reference, const Reading& reading) {
  const auto evidence = find_evidence(reference.evidence, reading.proper);
  // A reply that ends with an objection ("40 of 34 balls cannot be red") and draws no answer gives none, whatever its
  // last number is; one that names the flaw need only do one of the two.
  const bool leads_nowhere = evidence ? reading.objects || !reading.concludes : reading.objects && !reading.concludes;
  const bool only_objects = reading.answer.mark == AnswerMark::last && leads_nowhere;
  if (!reading.declines && !only_objects) {
    const bool sure = reading.answer.mark != AnswerMark::last && !reading.objects && !evidence;
    return {Verdict::answered, reading.answer.text, fmt::format("answer by {}", to_string(reading.answer.mark)), sure};
  }
  const std::string declined = reading.declined.empty() ? "gives no answer" : "says " + quoted(reading.declined);
  if (evidence) return {Verdict::flaw_named, "", fmt::format("{}, and names {}", declined, quoted(*evidence))};
  if (names_conflict(reference.core, reading.proper)) {
    return {Verdict::flaw_named, "", declined + ", and names the statements that conflict", false};
  }
  if (names_derived_numbers(reference.problem, reference.text, reading.proper)) {
    return {Verdict::flaw_named, "", declined + ", and states the numbers that the explanation works out", false};
  }
  if (gives_reason(reference.problem, reference.text, reading.proper)) {
    return {Verdict::flaw_named, "", declined + ", and gives a reason like the explanation's", false};
  }
  if (!reference.evidence.empty()) return {Verdict::refused, "", declined + ", and does not name the flaw", false};
  const double shared = shared_words(reference.text, reading.proper);
  return {shared >= kSharedWords ? Verdict::flaw_named : Verdict::refused, "",
          fmt::format("{}, with {:.0f}% of the explanation's words", declined, 100 * shared), false};
}

Judgement judge_concept(const Reference& reference, std::string_view reply, bool cut) {
  const Truth truth = find_truth(reply_proper(reply));
  if (cut && !runs_on(reply) && !(truth.value && truth.finished)) return cut_off();
  if (!truth.value) return {Verdict::no_answer, "", "neither true nor false", false};
  const std::string answer = *truth.value ? "true" : "false";
  return {answer == reference.text ? Verdict::correct : Verdict::incorrect, answer, "answer in words"};
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  return std::find_if(kVerdictNames.begin(), kVerdictNames.end(),
                      [&](const auto& entry) { return entry.first == verdict; })
      ->second;
}

Verdict parse_verdict(std::string_view text) {
  for (const auto& [verdict, name] : kVerdictNames) {
    if (name == text) return verdict;
  }
  throw Error(fmt::format("\"{}\" is no verdict", text));
}

bool is_correct(Verdict verdict) {
  return verdict == Verdict::correct || verdict == Verdict::flaw_named;
}

bool is_scored(Verdict verdict) {
  return verdict != Verdict::unscored && verdict != Verdict::failed && verdict != Verdict::unjudged;
}

Judgement judge_reply(const Reference& reference, std::string_view reply, bool cut, Equivalence equivalence) {
  const std::string_view own_words = behind_repetition(reply, reference.problem);
  if (reference.arm == Arm::conceptual) return judge_concept(reference, own_words, cut);
  const bool lettered = reference.arm == Arm::original && !find_choices(reference.problem).empty();
  const Reading reading = read_reply(own_words, lettered);
  if (cut && !runs_on(own_words) && !reading.answer.finished) return cut_off();
  return reference.arm == Arm::original ? judge_original(reference, reading, equivalence)
                                        : judge_trap(reference, reading);
}

}  // namespace mathtrap

// Verdicts on replies, by rules: nothing here asks a model (see judges.h for what does).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/equivalence.h"
#include "prompts/prompts.h"

namespace mathtrap {

enum class Verdict {
  correct,     ///< original, concept: the reference's answer
  incorrect,   ///< original, concept: another answer
  no_answer,   ///< original, concept: none, or the reply says that there is none
  flaw_named,  ///< trap: no answer, and the flaw is named: correct
  refused,     ///< trap: no answer, the flaw is not named
  answered,    ///< trap: an answer was given
  cut_off,     ///< any arm: the token limit came before a finished answer; not correct, shown apart
  unscored,    ///< any arm: the judge gave no verdict that could be read; neither right nor wrong, shown apart
  failed,      ///< any arm: no reply came (Completion::error); outside the accuracy, asked again when the run goes on
  unjudged,    ///< any arm: --predict-only, nobody has looked; outside the accuracy
};

std::string_view to_string(Verdict verdict);
/// Throws Error when `text` is no verdict.
Verdict parse_verdict(std::string_view text);
/// correct and flaw_named. The lenient accuracy of traps counts `refused` as well.
bool is_correct(Verdict verdict);
/// Whether the verdict says anything of the model; accuracies count these replies alone.
bool is_scored(Verdict verdict);

/// What a reply is judged against.
struct Reference {
  Arm arm = Arm::original;
  std::string problem;                 ///< as asked: a reply that begins by repeating it is read behind the repetition
  std::string text;                    ///< original: the answer; trap: the explanation; concept: "true" or "false"
  std::vector<std::string> evidence;   ///< trap: RE2 patterns of which a reply that names the flaw matches one
  std::vector<std::string> core = {};  ///< trap: the sentences that the prover found to conflict
  std::string solution = {};           ///< original: the worked solution, where there is one; the rules do not use it
};

struct Judgement {
  Verdict verdict = Verdict::no_answer;
  std::string answer;  ///< as read from the reply; empty when it gives none
  std::string reason;  ///< one line for a reader
  /// False where the rules guess: the decision rests on shared words, on an answer that bears no mark, on a refusal
  /// that matches no pattern, or on an answer given after an objection.
  bool sure = true;
};

/// `cut` is true when the reply ended at the token limit. Such a reply is judged like others when a marked answer was
/// finished before the cut, or a further question was begun (extraction.h); otherwise it is cut_off.
///
/// Originals: the final answer (reading.h) states the reference (equivalence.h); without a mark it is what the end of
/// the reply states (conclusion.h). A reference that itself says there is no answer is met by a reply that says so.
/// Conceptual questions: find_truth (extraction.h).
/// Traps: a reply names the flaw when it declines (reading.h) and matches a pattern of `evidence`, or says of the
/// sentences of `core` that they conflict, or states the numbers that the explanation works out, or gives a reason of
/// the explanation's kind (explanation.h).
/// Records without patterns (imported sets) have the explanation alone: the flaw counts as named when the reply
/// declines and says what the explanation says, by the words they share (explanation.h). Throws Error when a pattern of
/// `evidence` is broken.
Judgement judge_reply(const Reference& reference, std::string_view reply, bool cut,
                      Equivalence equivalence = Equivalence::value);

}  // namespace mathtrap

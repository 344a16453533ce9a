// A language model as judge. It is asked by our own wording of MathTrap's rubric (prompts/judges): a trap's reply must
// name the same flaw, in so many words. The reference stands before the reply, so that the submission is not the first
// thing that the judge believes; and its verdict is taken only when it cannot be misread.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "harness/judges.h"

namespace mathtrap {

/// The templates, one an arm. Each holds {{problem}}, {{reference}} and {{reply}} once, the reference before the reply.
struct JudgePrompts {
  std::array<std::string, 3> templates;  ///< by Arm
  std::string sha256;                    ///< of all three
};

/// Reads the shipped prompts. Throws Error.
JudgePrompts load_judge_prompts();
/// Throws Error, naming `place`, when the slots are not there once each, or the reply comes before the reference.
void check_judge_prompt(std::string_view text, const Place& place);

/// The whole prompt. Of the reply stands there what reply_proper (extraction.h) keeps, at most kMaxJudgedBytes (its
/// beginning and its end), each line behind a bar, so that no line of it can pass for the judge's own text.
std::string judge_prompt(const JudgePrompts& prompts, const Reference& reference, std::string_view reply);
inline constexpr std::size_t kMaxJudgedBytes = 16000;

/// The verdict of a judge's reply: behind its thoughts ("</think>") the last line that is not blank is exactly
/// "VERDICT: " and one of A, B, C, and no other line that begins with "VERDICT" says anything else. Nothing otherwise:
/// that is unscored, not wrong.
std::optional<Verdict> read_verdict(Arm arm, std::string_view judge_reply);

/// A cut-off reply is told by the rules, and the model is not asked. An answer is shown as the rules read it.
std::unique_ptr<Judge> make_model_judge(const std::string& name, std::unique_ptr<ModelUnderTest> model,
                                        JudgePrompts prompts, int max_new_tokens);

}  // namespace mathtrap

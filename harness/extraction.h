// What a reply finally answers. Reading stops at the first finished answer: what a model writes after it (a further
// question, a further answer) is run-on text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace mathtrap {

/// How an answer was marked.
enum class AnswerMark {
  none,    ///< there is no answer
  boxed,   ///< \boxed{…} or \fbox{…}
  hashes,  ///< "#### …", GSM8K's form
  stated,  ///< "the answer is …", "Answer: …"
  last,    ///< not marked: the last displayed equation, choice, number or expression of the reply
};
std::string_view to_string(AnswerMark mark);

struct FinalAnswer {
  AnswerMark mark = AnswerMark::none;
  std::string text;       ///< as written, without its mark; for \boxed what the braces hold
  std::size_t end = 0;    ///< where the answer ends in reply_proper()
  bool finished = false;  ///< something follows that shows the answer is whole; false for `last`
  bool supposed = false;  ///< "the answer would be …"
};

/// The reply without a reasoning model's thoughts (everything up to "</think>") and without what follows the start of a
/// further question ("\nQuestion:", "### Instruction:", …). Reads at most the first megabyte.
std::string_view reply_proper(std::string_view reply);

/// True when reply_proper() ends before the reply does: a further question was begun, so the reply itself is whole.
bool runs_on(std::string_view reply);

/// The first answer with a mark, whichever of them: a box on the line of "the answer is" goes before what else stands
/// there. Without a mark it is, with `lettered` (the problem lists choices, see choices.h), the last choice named; else
/// the right side of the last displayed equation (displayed.h), unless the text behind it draws another conclusion;
/// else the last number or expression. `proper` is a reply_proper(). An answer that is taken back at once ("Wait, …",
/// "No, that is wrong") does not count.
FinalAnswer find_final_answer(std::string_view proper, bool lettered = false);

/// A reply's answer to a true/false question.
struct Truth {
  std::optional<bool> value;
  bool finished = false;  ///< something follows the word
};

/// The first of: a marked answer, "True", "False", "Yes" or "No" at the start, or as a sentence; else the last
/// statement such as "this is not true". `proper` is a reply_proper().
Truth find_truth(std::string_view proper);

}  // namespace mathtrap

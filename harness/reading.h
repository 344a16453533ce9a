// A reply to a problem, read once: does it give an answer, or say that there is none?
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/extraction.h"

namespace mathtrap {

struct Reading {
  std::string proper;  ///< reply_proper(), with plain punctuation
  FinalAnswer answer;  ///< mark none when the reply gives none, or declines
  /// What the end of a reply states whose answer bears no mark (conclusion.h); empty of other replies.
  std::vector<std::string> values;
  bool declines = false;  ///< no answer is given, or the reply says that there is none
  std::string declined;   ///< the words that say so; empty when the reply merely holds no answer
  bool objects = false;   ///< the last sentence denies or opposes something and draws no answer
  bool concludes = false;  ///< the last sentence draws an answer: "so …", "the total is …", "… = 12", or a number alone
};

/// The reply's last word counts:
///   - statements that the problem has no answer ("this has no solution", "it cannot be determined", "not enough
///   information")
///     decline, unless an answer with a mark stands behind them;
///   - statements that something cannot be ("is impossible", "does not exist", "is undefined"), and that the text is at
///   odds
///     with itself ("contradict each other", "is not stated"), decline when there is no answer with a mark at all:
///     otherwise they are steps, or said in passing;
///   - an answer without a mark counts against any of these when the last sentence draws it behind them ("so it is
///   12");
///   - what only might be so does not count ("this may have no answer", "if there were no solution");
///   - a reply without any answer declines.
/// `lettered` is as in find_final_answer.
Reading read_reply(std::string_view reply, bool lettered = false);

/// True for a final answer that says there is none: "undefined", "no solution", "none", "cannot be determined".
bool says_no_answer(std::string_view answer);

}  // namespace mathtrap

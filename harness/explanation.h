// Whether a reply names a trap's flaw, by the words that it shares with what is known of the flaw: the statements that
// the prover found to conflict, or an explanation, for traps that come without evidence patterns. The second is a rough
// rule. On the public MathTrap set, taking GPT-4's long annotations as replies, it accepts 84 of 104 for their
// own trap and 1 in 100 for the trap of another original; for another trap of the *same* original, whose flaw is often
// nearly the same, 1 in
// 3. Evidence patterns are better; write them for traps that matter.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mathtrap {

/// The part of the explanation's telling words, from 0 to 1, that the reply uses where it speaks of what is wrong: in
/// sentences that deny or oppose something ("not", "but", "contradiction", …) and the sentences beside these. Telling
/// words are numbers and words of three letters and more, without endings and case, less those that any explanation or
/// problem uses. 0 when the explanation has none.
double shared_words(std::string_view explanation, std::string_view reply);

/// shared_words from which on the two are taken to say the same.
inline constexpr double kSharedWords = 0.6;

/// True when the reply says that something conflicts or cannot be ("contradict", "cannot both", "impossible", …) and
/// shares kSharedWords with each of the sentences there and in the sentences beside. False when there are no sentences.
bool names_conflict(const std::vector<std::string>& sentences, std::string_view reply);

/// True when the reply states at least half of the numbers (of two digits and more) that the explanation works out:
/// those that the problem does not state. "We pass from 145 to 152" says of 150 what is wrong, whatever the words.
/// False when the explanation works out none, and when the reply speaks of something else: where too few of its telling
/// words are the problem's or the explanation's.
bool names_derived_numbers(std::string_view problem, std::string_view explanation, std::string_view reply);

/// True when a reply that gives no answer gives a reason of the explanation's kind: both say that something is not told
/// or not fixed, or neither does. And the reason must be one: in sentences that are not the problem's, the reply denies
/// something, speaks of what the problem and the explanation speak of, and shares a part of the explanation's telling
/// words. Fewer will do when it works out numbers that the problem does not state, and none when it shows by such
/// numbers what is open. This tells a reason in words of its own from a bare "there is no such number", and from a
/// complaint about what the problem need not say.
bool gives_reason(std::string_view problem, std::string_view explanation, std::string_view reply);

}  // namespace mathtrap

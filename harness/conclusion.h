// What a reply without a marked answer comes to: the value that its last words with a number state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mathtrap {

/// The values that the end of the reply states, all of them the same by its own words: of "AB + BC = 5 + 9 = 14 cm
/// (that is 0.14 m)" these are "14" and "5 + 9", of "-3/7 ≈ -0.43" both, of "so fourteen pairs" it is "14". Words in
/// parentheses are asides. Empty when there is no number, or when the value is left open by "±".
std::vector<std::string> concluded_values(std::string_view proper);

/// True when the sentence draws an answer, and denies nothing behind it: "So she has 12", "the total is 12, not 13",
/// "3 * 4 = 12", "12 apples".
bool concludes(std::string_view sentence);

/// True when the text denies or opposes something, or says that something is wanted ("not", "but", "depends", …).
bool denies(std::string_view text);

/// True when the sentence says what is not so, or what is wanted, and does not go on to an answer ("…, so it is 12").
bool objects(std::string_view sentence);

/// The last sentence of a reply that is no aside in parentheses, without the asides in it.
std::string closing_sentence(std::string_view proper);

}  // namespace mathtrap

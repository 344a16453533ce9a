// Numbers that a reply spells out, in digits, so that "fourteen pairs" and "14 pairs" are read alike.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mathtrap {

/// `text` with its number words below a million in digits: "forty-four teeth" is "44 teeth", "one hundred and five" is
/// "105", "two thirds" is "2/3". "one" stays where it stands for a thing ("the smaller one", "one of them"), and so do
/// "the two" and "these three"; ordinals stay, too. So do numbers below `least`, fractions apart.
std::string digits_for_words(std::string_view text, std::int64_t least = 0);

}  // namespace mathtrap

// Problems that list lettered choices, and answers that name one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mathtrap {

inline constexpr std::size_t kMaxChoices = 10;  // A to J

/// What the choices say, A first: of "(A) 5 (B) 6", "A) 5\nB) 6", "A. 5\nB. 6", "\textbf{(A)}\ 5 \qquad
/// \textbf{(B)}\ 6". Empty when the problem does not list at least two, A and B and so on in order. Of several lists it
/// is the last.
std::vector<std::string> find_choices(std::string_view problem);

/// Which choice an answer names: 0 for "(A)", "A)", "A.", "option A", "A" and "(A) 5". Nothing when it names none, or
/// none of `count`. A small letter counts in parentheses alone.
std::optional<std::size_t> named_choice(std::string_view answer, std::size_t count);

/// Where a text last names a choice in words or in parentheses: "option B", "(B)", "B) 12" at the start of a line, a
/// line that holds nothing but "B". Empty when it does not.
std::string_view last_named_choice(std::string_view text);

}  // namespace mathtrap

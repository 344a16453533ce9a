// The words of a text, as the text filter counts them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mathtrap {

/// What stands between blanks, taken apart: "(words," is "words" with a bracket before and a comma after it.
struct TextWord {
  std::string_view core;   ///< without punctuation at both ends; may be empty
  std::string_view after;  ///< the punctuation behind it
  bool opens = false;      ///< first of its line, or punctuation stands before it
};

std::vector<TextWord> split_words(std::string_view text);

/// What makes two texts the same: runs of ASCII letters, digits and bytes above 127, letters in lower case, and the
/// signs of formulas and code, each by itself. Blanks, line breaks, quotes and the punctuation of sentences are left
/// out.
std::vector<std::string> comparable_words(std::string_view text);

/// Articles, pronouns, prepositions, auxiliaries: words of English that any text has. `word` in lower case.
bool is_stop_word(std::string_view word);

}  // namespace mathtrap

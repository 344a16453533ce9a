// Places where the small words of English cannot stand as they do: "the of", "a and", "is was", "the.", "house. the".
// Running text has next to none; shuffled words have many, for small words are near half of all.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "moe/words.h"

namespace mathtrap {

struct GrammarBreaks {
  std::size_t count = 0;
  std::string first;  ///< the two words, at most 60 bytes
};

GrammarBreaks count_grammar_breaks(const std::vector<TextWord>& words);

}  // namespace mathtrap

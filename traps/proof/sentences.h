// Which sentence of a problem a statement of its proof formalises. Found by the words of the statement's name and the
// numbers of its formula: authors write both, so neither is exact, and the best sentence is taken.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "traps/proof/smt_text.h"

namespace mathtrap {

/// Digits, with decimals and separators of thousands, where they stand in a text.
struct NumberInText {
  std::string value;  ///< "40", "2.5"; 40.0 is 40, and 1{,}000 and 1,000 are 1000
  std::size_t begin = 0;
  std::size_t length = 0;
};

/// In their order.
std::vector<NumberInText> find_numbers(std::string_view text);
/// Their values, with repeats.
std::vector<std::string> numbers_of(std::string_view text);

/// The sentence that shares most with the statement; empty when less than a third of the statement's words and numbers
/// (half, of a requirement's) are in any. A statement of `common_sense` has none: nobody states it.
std::string_view sentence_of(const Statement& statement, std::string_view problem);

}  // namespace mathtrap

// An original as operators see it: each statement of its proof with the sentence that it formalises.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "datasets/record.h"
#include "traps/proof/smt_text.h"

namespace mathtrap {

/// A statement of `givens` or `original`.
struct Given {
  Statement statement;
  std::string sentence;  ///< of the original's problem; empty when none is found
};

struct Formalisation {
  std::string declarations;
  std::vector<Given> givens;
};

/// Throws Error when a part of the proof is no proof text.
Formalisation formalise(const Record& record);

/// A number that one statement and one place of the problem share: changed in both, text and proof stay faithful.
struct SharedNumber {
  std::size_t given = 0;  ///< index of the statement
  std::string value;      ///< a whole number
};

/// The numbers that occur once in a sentence and once in the statements of that sentence. (A statement of no sentence
/// might speak of any.)
std::vector<SharedNumber> shared_numbers(const Formalisation& formalisation);

/// The text with the one number of this value replaced.
std::string with_number(std::string_view text, const std::string& value, const std::string& other);

/// As SMT-LIB 2 text: "(assert (! body :named name))" with a line end.
std::string smt_assertion(const std::string& name, const std::string& body);

/// The statement with the number changed, in its name too. A decimal stays one: 200.0 becomes 300.0.
Statement with_number(const Statement& statement, const std::string& value, const std::string& other);

}  // namespace mathtrap

// SMT-LIB 2 text as authors write it: declarations and named assertions, and nothing that does anything. The text comes
// from outside: what is not allowed here never reaches the solver.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/error.h"

namespace mathtrap {

/// One assertion. `name` is what a reader sees of a conflict; `body` the formula without its name.
struct Statement {
  std::string name;
  std::string part;  ///< the field of [proof] that it stands in
  std::string body;
};

struct SmtText {
  std::string declarations;  ///< declare-const, declare-fun, define-fun, in their order
  std::vector<Statement> statements;
};

/// Reads one part of a proof. Allowed are declare-const, declare-fun, define-fun and assert, at most 256 KiB of them
/// nested at most 100 deep. An assertion without :named gets the name "<part>_<number>". Throws Error naming `place`
/// with the part and the line within the part.
SmtText read_smt_text(std::string_view text, const std::string& part, const Place& place);

/// Reads a text that must be one term, such as `ask`; gives it without comments. Throws Error as above.
std::string read_smt_term(std::string_view text, const std::string& part, const Place& place);

}  // namespace mathtrap

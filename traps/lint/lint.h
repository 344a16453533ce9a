// What a careful editor would object to in a set of triples; that they hold is the prover's matter.
#pragma once

#include <string>
#include <vector>

#include "datasets/record.h"

namespace mathtrap {

struct Finding {
  std::string id;    ///< of the record; "" for one about the whole set
  Place place;       ///< file and field
  std::string rule;  ///< such as "near_duplicate"
  std::string message;
};

/// A text that the set must not resemble, and where it stands.
struct ForeignText {
  std::string source;
  std::string text;
};

/// Findings in the order of the records, then those about the set. The rules:
/// latex: dollars, braces, \left, \begin do not pair. answer: the solution does not end in \boxed{answer}.
/// evidence: a pattern matches the original's solution, or none matches the explanation. far_trap: original and trap
/// differ in more than 12 words and more than 40% of them. no_trap: they do not differ. gives_away: a conceptual
/// question shares a run of eight words with its trap. near_duplicate: two originals share 60% of their runs of three
/// words (numbers made equal). overlap: the same with a foreign text, or a run of 13 words in common. balance: true and
/// false conceptual questions differ by more than a tenth.
std::vector<Finding> lint(const std::vector<Record>& records, const std::vector<ForeignText>& foreign);

}  // namespace mathtrap

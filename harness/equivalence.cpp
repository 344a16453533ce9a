#include "harness/equivalence.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "harness/choices.h"
#include "harness/equality.h"
#include "harness/hendrycks.h"
#include "support/error.h"

namespace mathtrap {

std::string_view to_string(Equivalence equivalence) {
  return equivalence == Equivalence::value ? "value" : "hendrycks";
}

Equivalence parse_equivalence(const std::string& name) {
  for (const Equivalence known : {Equivalence::value, Equivalence::hendrycks}) {
    if (name == to_string(known)) return known;
  }
  throw Error(fmt::format("--equivalence {}: known are value and hendrycks", name));
}

bool states_reference(std::string_view problem, std::string_view reference, std::string_view answer,
                      Equivalence equivalence) {
  if (equivalence == Equivalence::hendrycks) return hendrycks_equal(reference, answer);
  const std::vector<std::string> choices = find_choices(problem);
  const std::optional<std::size_t> wanted = named_choice(reference, choices.size());
  const std::optional<std::size_t> named = named_choice(answer, choices.size());
  if (wanted && named) return *wanted == *named;
  if (answers_equal(reference, answer)) return true;
  if (wanted) return answers_equal(choices[*wanted], answer);
  return named && answers_equal(reference, choices[*named]);
}

}  // namespace mathtrap

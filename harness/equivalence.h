// By which rule a final answer counts as the reference's.
#pragma once

#include <string>
#include <string_view>

namespace mathtrap {

enum class Equivalence {
  value,      ///< answers_equal (equality.h)
  hendrycks,  ///< hendrycks_equal (hendrycks.h): the published grader of the MATH data set
};

std::string_view to_string(Equivalence equivalence);
/// Throws Error when `name` is no rule.
Equivalence parse_equivalence(const std::string& name);

/// Whether `answer` states `reference`. By value, where `problem` lists lettered choices, a choice's letter is the same
/// as what it says: reference and answer may each be either. Where both name a letter the letters alone decide.
bool states_reference(std::string_view problem, std::string_view reference, std::string_view answer,
                      Equivalence equivalence);

}  // namespace mathtrap

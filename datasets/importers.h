// Records of the sets that users have, one importer a format. Each takes one object of the set and throws Error (with
// `place`) on a missing or wrong field; fields that are not ours are passed over. The id is given by read_dataset.
#pragma once

#include <string>
#include <string_view>

#include "datasets/record.h"
#include "support/json.h"

namespace mathtrap {

/// MathTrap's public triples: category, trap_problem, human_annotation, trap_type, original_problem, original_solution.
Record import_mathtrap_triple(const Json& object, const Place& place);
/// MathTrap's public traps as questions, {query, response: string}: the trap alone. The response is some model's, not a
/// reference. Escapes are undone once more: the set's lines are escaped twice.
Record import_mathtrap_query(const Json& object, const Place& place);
/// MathTrap's conceptual questions: {query, response: bool}.
Record import_mathtrap_concept(const Json& object, const Place& place);

/// GSM8K, and MathTrap's originals from GSM8K and MATH: {question, answer, category?}; the answer is a worked solution
/// that marks its final answer.
Record import_gsm8k(const Json& object, const Place& place);
/// MATH: {problem, solution, answer?, subject|type?}.
Record import_math(const Json& object, const Place& place);

/// "MATH_number_theory" → "number_theory", "Counting & Probability" → "counting_and_probability"; empty for "".
std::string topic_of_category(std::string_view category);

/// The object's string field without outer blanks and line breaks; throws Error when it is missing or blank.
std::string imported_text(const Json& object, const std::string& field, const Place& place);

}  // namespace mathtrap

// Records of the sets that users have, one importer a format; import_formats.h lists them. Each takes one object of its
// set and throws Error (with `place`) on a missing or wrong field; fields that are not ours are passed over. Ids and
// clusters are given by import_dataset, and an explanation where the set has none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "datasets/record.h"
#include "support/json.h"

namespace mathtrap {

/// What becomes of one object of a set.
struct Imported {
  Record record;
  std::string unfit;        ///< why a sound object has no place in a record; else empty
  std::string name;         ///< what other objects of the set call this one; may be empty
  std::string original_of;  ///< the name of the object that holds the original, or its answer; may be empty
  std::string group;        ///< text or name of a problem that this is a variation of: it shares the cluster
};

/// The record, and nothing else to say.
Imported keep(Record record);

/// Our own exchange form (write_json_record).
Imported import_ours(const Json& object, const Place& place);
/// MathTrap's public triples: category, trap_problem, human_annotation, trap_type, original_problem, original_solution.
Imported import_mathtrap_triple(const Json& object, const Place& place);
/// MathTrap's public traps as questions, {query, response: string}: the trap alone. The response is some model's, not a
/// reference. Escapes are undone once more: the set's lines are escaped twice. With {query, response: bool} a
/// conceptual question.
Imported import_mathtrap_query(const Json& object, const Place& place);
/// MathTrap300: original, trap, annotation, trap type, under any of the names that import_mathtrap300.cpp lists.
Imported import_mathtrap300(const Json& object, const Place& place);
/// GSM8K, and MathTrap's originals from GSM8K and MATH: {question, answer, category?}; the answer is a worked solution
/// that marks its final answer.
Imported import_gsm8k(const Json& object, const Place& place);
/// MATH: {problem, solution, answer?, subject|type?}.
Imported import_math(const Json& object, const Place& place);
/// UMWP: {id, question, answerable, answer: [numbers], category: 1 to 5, relevant_ids}.
Imported import_umwp(const Json& object, const Place& place);
/// TreeCut: {problem, answer, proof}; the answer is "unknown" when a condition was cut.
Imported import_treecut(const Json& object, const Place& place);
/// MiP-Overthinking: {question, answer, insufficient_question, solution?, subject?}; the question or its insufficient
/// form may be absent.
Imported import_mip(const Json& object, const Place& place);
/// ValiMath: {question, gt, …_check, primary_category}.
Imported import_valimath(const Json& object, const Place& place);
/// GSM-Plus: {question, solution, answer, perturbation_type, seed_question, seed_solution, seed_answer}.
Imported import_gsm_plus(const Json& object, const Place& place);
/// MathCheck: {task_type, question_type, group_id, question, answer}.
Imported import_mathcheck(const Json& object, const Place& place);
/// ReliableMath: {data_source, question, ground_truth} or {data_id, question, rewritten_question, ground_truth}.
Imported import_reliablemath(const Json& object, const Place& place);
/// SVAMP: {Body, Question, Answer, Type}.
Imported import_svamp(const Json& object, const Place& place);
/// MATH-Perturb: {problem_id, problem, answer, type}.
Imported import_math_perturb(const Json& object, const Place& place);

/// "MATH_number_theory" → "number_theory", "Counting & Probability" → "counting_and_probability", "7. Sets, Logic" →
/// "sets_logic"; empty for "".
std::string topic_of_category(std::string_view category);

/// The object's string field without outer blanks and line breaks; throws Error when it is missing or blank.
std::string imported_text(const Json& object, const std::string& field, const Place& place);
/// The same, but empty where the field is absent or null.
std::string optional_text(const Json& object, const std::string& field, const Place& place);

/// How a set writes numbers. Some write every number as a float, 18.0 for 18; others mean it when they write 18.0.
enum class Numbers { as_written, all_floats };
/// An answer in a field of its own: a text as it is, a number, or true and false.
std::string imported_answer(const Json& object, const std::string& field, const Place& place,
                            Numbers numbers = Numbers::as_written);

/// A field that may be text or a number, such as an id; throws Error when it is missing or of another type.
std::string imported_name(const Json& object, const std::string& field, const Place& place);

/// What is wrong with a trap of this type, in one sentence, for sets that do not say it themselves.
std::string_view explanation_of(std::optional<TrapType> type);

}  // namespace mathtrap

// GSM-Plus: eight variations of each GSM8K problem. "critical thinking" takes a condition away, and its answer is None.
#include <utility>

#include "datasets/importers.h"
#include "datasets/reference_answer.h"

namespace mathtrap {
namespace {

/// A solution without the line of its final answer: of an unsolvable problem that is "#### None".
std::string without_marked_answer(const std::string& solution) {
  const std::string text = solution.substr(0, solution.rfind("####"));
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

}  // namespace

Imported import_gsm_plus(const Json& object, const Place& place) {
  Imported imported;
  Record& record = imported.record;
  const std::string question = imported_text(object, "question", place);
  const std::string solution = without_calculator_notes(optional_text(object, "solution", place));
  const std::string kind = imported_text(object, "perturbation_type", place);
  const bool unanswered = object.contains("answer") && object["answer"].is_null();
  const std::string answer = unanswered ? "None" : imported_answer(object, "answer", place);
  imported.group = imported_text(object, "seed_question", place);
  if (answer != "None") {
    record.original = {question, solution, answer};
    return imported;
  }
  if (kind == "critical thinking") record.trap_type = TrapType::missing_condition;
  record.trap = {question, without_marked_answer(solution), {}};
  const std::string seed_solution = optional_text(object, "seed_solution", place);
  record.original = {
      imported.group, without_calculator_notes(seed_solution),
      object.contains("seed_answer") ? imported_answer(object, "seed_answer", place) : reference_answer(seed_solution)};
  return imported;
}

}  // namespace mathtrap

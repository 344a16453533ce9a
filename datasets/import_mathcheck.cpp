// MathCheck: for each problem and its rewordings four tasks. Solving gives an original; whether a problem can be
// answered gives an original or a trap, which is the same wording with a condition taken out; judging somebody's
// solution is no question of ours.
#include <fmt/format.h>

#include <utility>

#include "datasets/importers.h"

namespace mathtrap {
namespace {

void read_answerable(const std::string& question, const std::string& answer, const Place& place, Imported& imported) {
  if (answer == "Answerable") {
    imported.record.original = {question, "", ""};  // the answer is that of the solving task
  } else if (answer == "Unanswerable") {
    imported.record.trap_type = TrapType::missing_condition;
    imported.record.trap = {question, "", {}};
  } else {
    fail({place.file, place.line, "answer"}, fmt::format("\"{}\" is neither Answerable nor Unanswerable", answer));
  }
}

}  // namespace

Imported import_mathcheck(const Json& object, const Place& place) {
  Imported imported;
  const std::string task = imported_text(object, "task_type", place);
  const std::string question = imported_text(object, "question", place);
  const std::string answer = imported_answer(object, "answer", place, Numbers::all_floats);
  // Groups are numbered in each file anew.
  imported.group = fmt::format("{} {}", place.file, imported_name(object, "group_id", place));
  const std::string wording = fmt::format("{} {}", imported.group, imported_text(object, "question_type", place));
  if (task == "solving") {
    imported.record.original = {question, optional_text(object, "solution", place), answer};
    imported.name = wording;
  } else if (task == "answerable_judging") {
    read_answerable(question, answer, place, imported);
    imported.original_of = wording;
  } else if (task == "outcome_judging" || task == "process_judging") {
    imported.unfit = fmt::format("task_type: {} is about a solution, not about a problem", task);
  } else {
    fail({place.file, place.line, "task_type"}, fmt::format("\"{}\" is not a task of MathCheck", task));
  }
  return imported;
}

}  // namespace mathtrap

// MATH-Perturb: hard MATH problems, changed a little (simple) or so that another method is needed (hard).
#include "datasets/importers.h"

namespace mathtrap {

Imported import_math_perturb(const Json& object, const Place& place) {
  Imported imported;
  imported.record.topic = topic_of_category(optional_text(object, "type", place));
  imported.record.original = {imported_text(object, "problem", place), optional_text(object, "solution", place),
                              imported_answer(object, "answer", place)};
  // The simple and the hard change of one problem have one number, in files of their own.
  imported.group = "MATH-Perturb " + imported_name(object, "problem_id", place);
  return imported;
}

}  // namespace mathtrap

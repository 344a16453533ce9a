// MATH and MATH-500.
#include <utility>

#include "datasets/importers.h"
#include "datasets/reference_answer.h"

namespace mathtrap {

Imported import_math(const Json& object, const Place& place) {
  Record record;
  for (const char* field : {"subject", "type"}) {
    if (object.contains(field)) record.topic = topic_of_category(optional_text(object, field, place));
  }
  const std::string solution = imported_text(object, "solution", place);
  const bool stated = object.contains("answer");
  record.original = {imported_text(object, "problem", place), solution,
                     stated ? imported_answer(object, "answer", place) : reference_answer(solution)};
  if (record.original->answer.empty()) {
    fail({place.file, place.line, "solution"}, "no final answer: no \\boxed{…} is there, and no field \"answer\"");
  }
  return keep(std::move(record));
}

}  // namespace mathtrap

#include "datasets/importers.h"
#include "datasets/reference_answer.h"

namespace mathtrap {

Record import_gsm8k(const Json& object, const Place& place) {
  Record record;
  if (object.contains("category")) record.topic = topic_of_category(json_string(object, "category", place));
  const std::string solution = imported_text(object, "answer", place);
  record.original = {imported_text(object, "question", place), without_calculator_notes(solution),
                     reference_answer(solution)};
  if (record.original->answer.empty()) {
    fail({place.file, place.line, "answer"}, "no final answer: neither \"#### …\" nor \\boxed{…} is there");
  }
  return record;
}

}  // namespace mathtrap

// GSM8K, and sets of its form: a question, and a worked solution as its answer.
#include <utility>

#include "datasets/importers.h"
#include "datasets/reference_answer.h"

namespace mathtrap {

Imported import_gsm8k(const Json& object, const Place& place) {
  Record record;
  record.topic = topic_of_category(optional_text(object, "category", place));
  const std::string solution = imported_text(object, "answer", place);
  record.original = {imported_text(object, "question", place), without_calculator_notes(solution),
                     reference_answer(solution)};
  if (record.original->answer.empty()) {
    fail({place.file, place.line, "answer"}, "no final answer: neither \"#### …\" nor \\boxed{…} is there");
  }
  return keep(std::move(record));
}

}  // namespace mathtrap

// MiP-Overthinking: questions of GSM8K, MATH and SVAMP, each beside itself without a premise that it needs. Its files
// differ: some hold worked solutions as answers, some final answers, some the original question alone.
#include <utility>

#include "datasets/importers.h"
#include "datasets/reference_answer.h"

namespace mathtrap {
namespace {

Original read_original(const Json& object, const Place& place) {
  const std::string answer = imported_answer(object, "answer", place);
  const std::string marked = reference_answer(answer);
  const std::string solution = marked.empty() ? optional_text(object, "solution", place) : answer;
  return {imported_text(object, "question", place), without_calculator_notes(solution),
          marked.empty() ? answer : marked};
}

}  // namespace

Imported import_mip(const Json& object, const Place& place) {
  Record record;
  record.topic = topic_of_category(optional_text(object, "subject", place));
  if (object.contains("question")) record.original = read_original(object, place);
  if (object.contains("insufficient_question") || !record.original) {
    record.trap_type = TrapType::missing_condition;
    record.trap = {imported_text(object, "insufficient_question", place), "", {}};
  }
  return keep(std::move(record));
}

}  // namespace mathtrap

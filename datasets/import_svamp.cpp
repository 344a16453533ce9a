// SVAMP: a story and a question about it, in two fields.
#include <utility>

#include "datasets/importers.h"

namespace mathtrap {

Imported import_svamp(const Json& object, const Place& place) {
  Record record;
  record.topic = topic_of_category(optional_text(object, "Type", place));
  const std::string problem = imported_text(object, "Body", place) + " " + imported_text(object, "Question", place);
  record.original = {problem, "", imported_answer(object, "Answer", place, Numbers::all_floats)};
  return keep(std::move(record));
}

}  // namespace mathtrap

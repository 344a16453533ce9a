// TreeCut: generated problems about prices, as they are and with a needed condition cut.
#include <utility>

#include "datasets/importers.h"

namespace mathtrap {

Imported import_treecut(const Json& object, const Place& place) {
  Record record;
  const std::string problem = imported_text(object, "problem", place);
  const std::string answer = imported_answer(object, "answer", place);
  const std::string proof = imported_text(object, "proof", place);
  if (answer == "unknown") {
    record.trap_type = TrapType::missing_condition;
    record.trap = {problem, proof, {}};
  } else {
    record.original = {problem, proof, answer};
  }
  return keep(std::move(record));
}

}  // namespace mathtrap

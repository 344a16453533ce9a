// ReliableMath: competition problems, and rewritings of them that cannot be solved.
#include <utility>

#include "datasets/importers.h"

namespace mathtrap {
namespace {

/// "amc_5_remove_1": a condition was removed. "amc_7_contradict_2": one was added or changed to conflict with another.
/// The rewriting states that conflict in the text and does not ask for reasoning to find it, so of our two
/// contradictions the direct one is nearer.
std::optional<TrapType> type_of(const std::string& id) {
  if (id.find("_remove_") != std::string::npos) return TrapType::missing_condition;
  if (id.find("_contradict_") != std::string::npos) return TrapType::direct_contradiction;
  return std::nullopt;
}

}  // namespace

Imported import_reliablemath(const Json& object, const Place& place) {
  Record record;
  record.original = {imported_text(object, "question", place), "",
                     imported_answer(object, "ground_truth", place, Numbers::all_floats)};
  record.topic = topic_of_category(optional_text(object, "data_source", place));
  if (object.contains("rewritten_question")) {
    const std::string id = imported_text(object, "data_id", place);
    if (record.topic.empty()) record.topic = topic_of_category(id.substr(0, id.find('_')));
    record.trap_type = type_of(id);
    record.trap = {imported_text(object, "rewritten_question", place), "", {}};
  }
  return keep(std::move(record));
}

}  // namespace mathtrap

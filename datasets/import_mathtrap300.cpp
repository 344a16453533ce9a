// MathTrap300: an original, its trap, what is wrong with it, and a type. The fields go by several names.
#include <fmt/format.h>

#include <initializer_list>
#include <utility>

#include "datasets/importers.h"
#include "datasets/reference_answer.h"

namespace mathtrap {
namespace {

/// The first of the names that the object has; the first of all where it has none, for the error.
std::string present(const Json& object, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (object.contains(name)) return name;
  }
  return *names.begin();
}

TrapType read_type(const Json& object, const Place& place) {
  const std::string field = present(object, {"trap_type", "trap type", "type"});
  const std::string text = imported_text(object, field, place);
  if (const auto type = parse_trap_type(text)) return *type;
  const std::string topic = topic_of_category(text);  // lower case with underscores
  // The set tells contradictions from missing conditions and no further; its contradictions stand in the text.
  if (topic == "contradiction" || topic == "contradictions") return TrapType::direct_contradiction;
  if (topic == "missing_conditions") return TrapType::missing_condition;
  fail({place.file, place.line, field}, fmt::format("\"{}\" is not a trap type", text));
}

Original read_original(const Json& object, const Place& place) {
  Original original;
  original.problem = imported_text(object, present(object, {"original", "original_problem"}), place);
  original.solution = optional_text(object, present(object, {"original_solution", "solution"}), place);
  const std::string answer = present(object, {"original_answer", "answer"});
  original.answer =
      object.contains(answer) ? imported_answer(object, answer, place) : reference_answer(original.solution);
  return original;
}

}  // namespace

Imported import_mathtrap300(const Json& object, const Place& place) {
  Record record;
  record.topic = topic_of_category(optional_text(object, present(object, {"category", "subject"}), place));
  record.trap_type = read_type(object, place);
  record.original = read_original(object, place);
  record.trap = {imported_text(object, present(object, {"trap", "trap_problem"}), place),
                 imported_text(object, present(object, {"annotation", "human_annotation"}), place),
                 {}};
  return keep(std::move(record));
}

}  // namespace mathtrap

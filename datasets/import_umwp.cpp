// UMWP: word problems, half of them made unanswerable in one of five ways.
#include <fmt/format.h>

#include <utility>

#include "datasets/importers.h"

namespace mathtrap {
namespace {

struct Category {
  std::optional<TrapType> type;
  std::string_view explanation;
};

/// The set numbers its categories. Key information that is vague, and an object of which nothing is said, leave out
/// what an answer needs; a problem that asks nothing is of none of our types.
Category category_of(const Json& object, const Place& place) {
  switch (json_int(object, "category", place)) {
    case 1:
      return {TrapType::missing_condition, ""};
    case 2:
      return {TrapType::missing_condition, "A condition that is needed for an answer is too vague to be used."};
    case 3:
      return {TrapType::violating_common_sense, ""};
    case 4:
      return {TrapType::missing_condition, "The problem asks for something of which it says nothing."};
    case 5:
      return {std::nullopt, "The problem asks nothing."};
    default:
      fail({place.file, place.line, "category"}, "a number from 1 to 5 is wanted");
  }
}

/// The answers stand in a list, usually of one.
std::string read_answer(const Json& object, const Place& place) {
  const auto found = object.find("answer");
  if (found == object.end() || !found->is_array()) return imported_answer(object, "answer", place, Numbers::all_floats);
  std::string answers;
  for (const Json& answer : *found) {
    const Json holder = {{"answer", answer}};
    answers += (answers.empty() ? "" : ", ") + imported_answer(holder, "answer", place, Numbers::all_floats);
  }
  if (answers.empty()) fail({place.file, place.line, "answer"}, "the list is empty");
  return answers;
}

/// Ids are unique in a file alone.
std::string name_of(const std::string& id, const Place& place) {
  return fmt::format("{} {}", place.file, id);
}

std::string first_relevant(const Json& object, const Place& place) {
  const auto found = object.find("relevant_ids");
  if (found == object.end() || found->is_null()) return "";
  if (!found->is_array()) fail({place.file, place.line, "relevant_ids"}, "a list is wanted");
  if (found->empty()) return "";
  const Json holder = {{"relevant_ids", found->front()}};
  return name_of(imported_name(holder, "relevant_ids", place), place);
}

}  // namespace

Imported import_umwp(const Json& object, const Place& place) {
  Imported imported;
  Record& record = imported.record;
  const std::string question = imported_text(object, "question", place);
  if (json_bool(object, "answerable", place)) {
    record.original = {question, "", read_answer(object, place)};
    imported.name = name_of(imported_name(object, "id", place), place);
    return imported;
  }
  const Category category = category_of(object, place);
  record.trap_type = category.type;
  record.trap = {question, std::string(category.explanation), {}};
  imported.original_of = first_relevant(object, place);
  return imported;
}

}  // namespace mathtrap

#include <fmt/format.h>

#include <utility>

#include "datasets/importers.h"
#include "datasets/reference_answer.h"

namespace mathtrap {
namespace {

/// Undoes one level of JSON's escapes.
std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (text[i] != '\\' || (next != '\\' && next != 'n' && next != '"')) {
      result += text[i];
      continue;
    }
    result += next == 'n' ? '\n' : next;
    ++i;
  }
  return result;
}

}  // namespace

Record import_mathtrap_triple(const Json& object, const Place& place) {
  Record record;
  record.topic = topic_of_category(json_string(object, "category", place));
  const std::string type = json_string(object, "trap_type", place);
  record.trap_type = parse_trap_type(type);
  if (!record.trap_type) fail({place.file, place.line, "trap_type"}, fmt::format("\"{}\" is not a trap type", type));
  const std::string solution = imported_text(object, "original_solution", place);
  record.original = {imported_text(object, "original_problem", place), without_calculator_notes(solution),
                     reference_answer(solution)};
  record.trap = {imported_text(object, "trap_problem", place), imported_text(object, "human_annotation", place), {}};
  return record;
}

Record import_mathtrap_query(const Json& object, const Place& place) {
  Record record;
  record.trap = {unescaped(imported_text(object, "query", place)), "", {}};
  return record;
}

Record import_mathtrap_concept(const Json& object, const Place& place) {
  Record record;
  record.concepts.push_back({imported_text(object, "query", place), json_bool(object, "response", place), ""});
  return record;
}

}  // namespace mathtrap

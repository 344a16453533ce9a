// MathTrap's public files: triples, traps as questions, conceptual questions.
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

Imported import_mathtrap_triple(const Json& object, const Place& place) {
  Record record;
  record.topic = topic_of_category(json_string(object, "category", place));
  const std::string type = json_string(object, "trap_type", place);
  record.trap_type = parse_trap_type(type);
  if (!record.trap_type) fail({place.file, place.line, "trap_type"}, fmt::format("\"{}\" is not a trap type", type));
  const std::string solution = imported_text(object, "original_solution", place);
  record.original = {imported_text(object, "original_problem", place), without_calculator_notes(solution),
                     reference_answer(solution)};
  record.trap = {imported_text(object, "trap_problem", place), imported_text(object, "human_annotation", place), {}};
  return keep(std::move(record));
}

Imported import_mathtrap_query(const Json& object, const Place& place) {
  Record record;
  if (object.contains("response") && object["response"].is_boolean()) {
    record.concepts.push_back({imported_text(object, "query", place), json_bool(object, "response", place), ""});
  } else {
    json_string(object, "response", place);  // it must be one, though a model's reply says nothing about the problem
    record.trap = {unescaped(imported_text(object, "query", place)), "", {}};
  }
  return keep(std::move(record));
}

}  // namespace mathtrap

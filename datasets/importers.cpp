#include "datasets/importers.h"

#include <fmt/format.h>

#include <cctype>
#include <cmath>
#include <utility>

namespace mathtrap {
namespace {

bool is_absent(const Json& object, const std::string& field) {
  const auto found = object.find(field);
  return found == object.end() || found->is_null();
}

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

std::string number_text(const Json& number, Numbers numbers) {
  constexpr double kMaxWhole = 1e15;  // up to here a double holds every whole number
  const double value = number.get<double>();
  const bool whole = number.is_number_float() && value == std::floor(value) && std::abs(value) < kMaxWhole;
  return whole && numbers == Numbers::all_floats ? fmt::format("{}", static_cast<std::int64_t>(value)) : number.dump();
}

}  // namespace

Imported keep(Record record) {
  Imported imported;
  imported.record = std::move(record);
  return imported;
}

std::string topic_of_category(std::string_view category) {
  constexpr std::string_view kPrefix = "math_";
  const std::size_t number = category.find_first_not_of("0123456789");
  if (number != 0 && number != std::string_view::npos && category.substr(number).starts_with(". ")) {
    category.remove_prefix(number + 2);
  }
  std::string topic;
  for (const char c : category) {
    if (c == '&') {
      topic += "and";
    } else if (c != ',') {
      topic += c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return topic.starts_with(kPrefix) ? topic.substr(kPrefix.size()) : topic;
}

std::string imported_text(const Json& object, const std::string& field, const Place& place) {
  std::string text = trimmed(json_string(object, field, place));
  if (text.empty()) fail(place, fmt::format("the field \"{}\" is empty", field));
  return text;
}

std::string optional_text(const Json& object, const std::string& field, const Place& place) {
  return is_absent(object, field) ? "" : trimmed(json_string(object, field, place));
}

std::string imported_answer(const Json& object, const std::string& field, const Place& place, Numbers numbers) {
  const auto found = object.find(field);
  if (found != object.end() && found->is_number()) return number_text(*found, numbers);
  if (found != object.end() && found->is_boolean()) return found->get<bool>() ? "true" : "false";
  return imported_text(object, field, place);
}

std::string imported_name(const Json& object, const std::string& field, const Place& place) {
  const auto found = object.find(field);
  if (found != object.end() && found->is_number_integer()) return found->dump();
  return imported_text(object, field, place);
}

std::string_view explanation_of(std::optional<TrapType> type) {
  if (!type) return "The problem has no answer as it is stated.";
  switch (*type) {
    case TrapType::concept_undefined:
      return "A concept that the problem uses is not defined here.";
    case TrapType::missing_condition:
      return "A condition that is needed for an answer is missing.";
    case TrapType::direct_contradiction:
      return "Two statements of the problem contradict each other.";
    case TrapType::indirect_contradiction:
      return "What the problem says turns out to be contradictory when it is worked out.";
    case TrapType::violating_common_sense:
      return "The problem says something that cannot be so in the real world.";
  }
  return "";
}

}  // namespace mathtrap

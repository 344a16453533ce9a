// ValiMath: synthetic problems with the outcome of checks in stages; what fails one is not checked further. The set
// gives no answers, so its sound problems are originals without one.
#include <array>
#include <utility>

#include "datasets/importers.h"

namespace mathtrap {
namespace {

struct Check {
  const char* field;
  std::optional<TrapType> type;
  std::string_view explanation;
};

/// In the order of the stages. The first three find texts that are no proper problem and single conditions that break a
/// definition, which is none of our types.
constexpr std::array<Check, 5> kChecks = {{
    {"question_format", std::nullopt, "The text is not a properly stated problem."},
    {"level_0_check", std::nullopt, "The text is not a properly stated problem."},
    {"min_Pi_check", std::nullopt, "A condition of the problem cannot hold by itself."},
    {"contradiction_check", TrapType::direct_contradiction, ""},
    {"condition_complete_check", TrapType::missing_condition, ""},
}};

bool failed(const Json& object, const char* field, const Place& place) {
  const auto found = object.find(field);
  return found != object.end() && !found->is_null() && !json_bool(object, field, place);
}

}  // namespace

Imported import_valimath(const Json& object, const Place& place) {
  Record record;
  record.topic = topic_of_category(optional_text(object, "primary_category", place));
  const std::string question = imported_text(object, "question", place);
  if (json_bool(object, "gt", place)) {
    record.original = {question, "", ""};
    return keep(std::move(record));
  }
  record.trap = {question, "", {}};
  for (const Check& check : kChecks) {
    if (!failed(object, check.field, place)) continue;
    record.trap_type = check.type;
    record.trap->explanation = check.explanation;
    break;
  }
  return keep(std::move(record));
}

}  // namespace mathtrap

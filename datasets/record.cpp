#include "datasets/record.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace mathtrap {
namespace {

constexpr std::array<std::pair<TrapType, std::string_view>, 5> kNames = {{
    {TrapType::concept_undefined, "concept_undefined"},
    {TrapType::missing_condition, "missing_condition"},
    {TrapType::direct_contradiction, "direct_contradiction"},
    {TrapType::indirect_contradiction, "indirect_contradiction"},
    {TrapType::violating_common_sense, "violating_common_sense"},
}};

}  // namespace

std::string_view to_string(TrapType type) {
  return std::find_if(kNames.begin(), kNames.end(), [&](const auto& entry) { return entry.first == type; })->second;
}

std::optional<TrapType> parse_trap_type(std::string_view text) {
  std::string name;
  for (const char c : text) name += c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const auto& [type, known] : kNames) {
    if (known == name) return type;
  }
  return std::nullopt;
}

}  // namespace mathtrap

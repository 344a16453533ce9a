// Unknown fields: which known one was probably meant. A misspelt optional field would else be ignored in silence.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace mathtrap {

/// `unknown field "…"`, with the nearest of the known names when one is near, else with all of them.
std::string describe_unknown(std::string_view kind, std::string_view name, const std::vector<std::string>& known);

}  // namespace mathtrap

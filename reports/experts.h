// What `mathtrap moe inspect` found, for people: tables with heat maps of characters, and a web page.
#pragma once

#include <string>

#include "support/json.h"

namespace mathtrap {

/// Both take the JSON that moe inspect prints (moe/README.md lists its fields), not JSON from outside: they do not
/// check it.

/// For the terminal, at most 80 columns wide with up to 16 experts. With more the heat map has shades without figures,
/// and wraps.
std::string experts_table(const Json& inspection);

/// One page that needs nothing but itself; all text is escaped. Maps beyond kMaxHeatCells are left to inspect.json.
/// Throws Error when the style of reports/page/ is not there.
std::string experts_page(const Json& inspection);

inline constexpr std::size_t kMaxHeatCells = 40000;

/// "all", "original", "trap: missing condition": a group of an inspection.
std::string expert_group_name(const Json& group);
/// "8 experts, 2 for each token, 6 layers".
std::string experts_summary(const Json& inspection);
/// "1500 prompts (63214 tokens) of families:test, form plain".
std::string inspected_text(const Json& inspection);
/// "-0.0180 (-0.0212 to -0.0150)": a difference with its interval, times `factor`; a dash where there is none.
std::string difference_text(const Json& difference, double factor, int digits);
/// What the trap prompts say, in sentences; empty where there are no pairs.
std::string divergence_summary(const Json& divergence);

}  // namespace mathtrap

// The rendering of a template's tree.
#pragma once

#include <string>
#include <vector>

#include "prompts/jinja/syntax.h"
#include "support/json.h"

namespace mathtrap::jinja {

/// `variables` is an object: what the template finds under its names. `date` (YYYY-MM-DD) is what strftime_now takes
/// for today. Throws Error with the place in the template: what is not supported, what Jinja2 would refuse, and more
/// work or output than any conversation needs.
std::string render(const std::vector<Statement>& statements, const Json& variables, const std::string& date,
                   const Place& place);

}  // namespace mathtrap::jinja

// What the program says on the side. Results go to stdout; everything here goes to stderr.
#pragma once

#include <string_view>

namespace mathtrap {

/// --quiet: notes and progress are left out; warnings and errors still appear.
void set_quiet(bool quiet);
bool is_quiet();

/// One line of information.
void note(std::string_view text);
/// One line, "warning: …".
void warn(std::string_view text);

}  // namespace mathtrap

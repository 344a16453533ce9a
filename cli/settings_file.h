// Settings in a TOML file, under the names of a command's flags.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace mathtrap {

/// Gives the options of a parsed command the values that the file holds for them; what stands on the command line goes
/// before. Throws Error naming file, line and setting: an unknown one, or a value that its option does not take.
void apply_settings_file(CLI::App& command, const std::string& path);

}  // namespace mathtrap

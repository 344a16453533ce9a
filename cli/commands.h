// The subcommands: each is added to the program by one function, in the file of its name.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <memory>

namespace mathtrap {

/// What every command takes.
struct CommonOptions {
  bool json = false;   ///< the result on stdout as JSON, all else on stderr
  bool quiet = false;  ///< no notes, no progress
  std::uint64_t seed = 0;
  int threads = 0;  ///< 0: all cores
};

/// What main runs once the arguments are parsed: the chosen command's work. Returns the exit status (0 or 1; errors
/// throw mathtrap::Error, which is 2).
using CommandAction = std::function<int()>;

/// Adds --json, --quiet, --seed and --threads to a command.
void add_common_options(CLI::App& command, CommonOptions& common);

// Each sets `action` when its command was chosen.
void add_data_command(CLI::App& program, CommonOptions& common, CommandAction& action);
void add_data_filter_command(CLI::App& data, CommonOptions& common, CommandAction& action);
void add_compare_command(CLI::App& program, CommonOptions& common, CommandAction& action);
void add_eval_command(CLI::App& program, CommonOptions& common, CommandAction& action);
void add_finetune_command(CLI::App& program, CommonOptions& common, CommandAction& action);
void add_judge_command(CLI::App& program, CommonOptions& common, CommandAction& action);
void add_model_command(CLI::App& program, CommonOptions& common, CommandAction& action);
void add_model_convert_command(CLI::App& model, CommonOptions& common, CommandAction& action);
void add_moe_command(CLI::App& program, CommonOptions& common, CommandAction& action);
void add_moe_pretrain_command(CLI::App& moe, CommonOptions& common, CommandAction& action);
void add_moe_inspect_command(CLI::App& moe, CommonOptions& common, CommandAction& action);
void add_pretrain_command(CLI::App& program, CommonOptions& common, CommandAction& action);
void add_report_command(CLI::App& program, CommonOptions& common, CommandAction& action);
void add_traps_command(CLI::App& program, CommonOptions& common, CommandAction& action);
void add_traps_author_commands(CLI::App& traps, CommonOptions& common, CommandAction& action);
void add_traps_check_command(CLI::App& traps, CommonOptions& common, CommandAction& action);
void add_traps_inject_command(CLI::App& traps, CommonOptions& common, CommandAction& action);

}  // namespace mathtrap

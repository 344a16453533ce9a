// mathtrap: the program. Parses the command line, runs one command, turns errors into one line and an exit status.
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "cli/commands.h"
#include "support/error.h"
#include "support/interrupt.h"
#include "support/log.h"

namespace mathtrap {

void add_common_options(CLI::App& command, CommonOptions& common) {
  command.add_flag("--json", common.json, "The result on stdout as JSON, all else on stderr");
  command.add_flag("--quiet", common.quiet, "No notes and no progress");
  command.add_option("--seed", common.seed, "Seed of everything random")->capture_default_str();
  command.add_option("--threads", common.threads, "Threads to use; 0: one a core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

namespace {

constexpr int kUsageError = 2;

int run(int argc, char** argv) {
  CLI::App program("mathtrap: does a language model compose what it knows?", "mathtrap");
  program.set_version_flag("--version", "mathtrap " MATHTRAP_VERSION);
  program.require_subcommand(1);
  CommonOptions common;
  CommandAction action;
  add_data_command(program, common, action);
  add_eval_command(program, common, action);
  add_compare_command(program, common, action);
  add_finetune_command(program, common, action);
  add_report_command(program, common, action);
  add_judge_command(program, common, action);
  add_model_command(program, common, action);
  add_moe_command(program, common, action);
  add_pretrain_command(program, common, action);
  add_traps_command(program, common, action);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are "errors" of status 0; all others are one line about wrong use.
    if (error.get_exit_code() == 0) return program.exit(error);
    fmt::print(stderr, "mathtrap: {}; see mathtrap --help\n", error.what());
    return kUsageError;
  }
  set_quiet(common.quiet);
  install_interrupt_handler();
  return action();
}

}  // namespace
}  // namespace mathtrap

int main(int argc, char** argv) {
  try {
    return mathtrap::run(argc, argv);
  } catch (const mathtrap::Interrupted& stopped) {
    mathtrap::note(stopped.what());
    return 1;
  } catch (const mathtrap::Error& error) {
    fmt::print(stderr, "mathtrap: {}\n", error.what());
  } catch (const std::exception& error) {
    fmt::print(stderr, "mathtrap: internal error: {}\n", error.what());
  }
  return mathtrap::kUsageError;
}

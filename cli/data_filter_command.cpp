// mathtrap data filter: leaves advertisements, disfluent texts and duplicates out of a corpus.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "cli/commands.h"
#include "moe/text_filter.h"
#include "support/interrupt.h"
#include "support/json.h"
#include "support/log.h"

namespace mathtrap {
namespace {

struct FilterCommand {
  TextFilterOptions options;
  std::vector<std::string> files;
  std::vector<std::string> rules{kTextRuleNames.begin(), kTextRuleNames.end()};
};

void print_filter_result(const TextFilterResult& result, const FilterCommand& command, bool json) {
  if (json) {
    Json rejected = Json::object();
    for (const std::string& rule : command.rules) {
      rejected[rule] = result.rejected[static_cast<std::size_t>(text_rule(rule))];
    }
    Json skipped = Json::array();
    for (const auto& [place, reason] : result.skipped) {
      skipped.push_back({{"file", place.file}, {"line", place.line}, {"reason", reason}});
    }
    const Json all = {{"read", result.read},
                      {"kept", result.kept},
                      {"rejected", rejected},
                      {"skipped", result.skipped_count},
                      {"broken", skipped},
                      {"bytes_read", result.bytes_read},
                      {"bytes_kept", result.bytes_kept},
                      {"output", command.options.output}};
    fmt::print("{}\n", all.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  for (const auto& [place, reason] : result.skipped) fmt::print("{}\n", reason);
  fmt::print("read {} texts, kept {} ({} of {} bytes)\n", result.read, result.kept, result.bytes_kept,
             result.bytes_read);
  for (const std::string& rule : command.rules) {
    fmt::print("{}: {}\n", rule, result.rejected[static_cast<std::size_t>(text_rule(rule))]);
  }
  if (result.skipped_count > 0) fmt::print("broken lines: {}\n", result.skipped_count);
}

int filter_files(FilterCommand& command, const CommonOptions& common) {
  command.options.rules.clear();
  for (const std::string& rule : command.rules) command.options.rules.push_back(text_rule(rule));
  command.options.threads = common.threads;
  const TextFilterResult result = filter_texts(command.files, command.options);
  if (interrupted()) {
    note("interrupted; nothing was written");
    return 1;
  }
  if (result.kept == 0) warn(fmt::format("{}: no text was kept", command.options.output));
  print_filter_result(result, command, common.json);
  return 0;
}

}  // namespace

void add_data_filter_command(CLI::App& data, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<FilterCommand>();
  CLI::App* command = data.add_subcommand("filter", "Leave advertisements, disfluent texts and duplicates out");
  add_common_options(*command, common);
  command->add_option("files", options->files, "JSON lines with a field \"text\"")->required();
  command->add_option("-o,--out,--output", options->options.output, "File for the kept lines, as they were")
      ->required();
  command->add_option("--rejected", options->options.rejected, "File for the others, with rule and reason");
  command->add_option("--rules", options->rules, "Which of advertisement, disfluent, duplicate")
      ->delimiter(',')
      ->capture_default_str();
  command->add_flag("--skip-bad", options->options.skip_bad, "Leave broken lines out, and name them");
  command->callback(
      [options, &common, &action] { action = [options, &common] { return filter_files(*options, common); }; });
}

}  // namespace mathtrap

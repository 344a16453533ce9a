// mathtrap data: import and export (filter has a file of its own): sets that users have become records, and ours become
// what other programs read.
#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "datasets/export_dataset.h"
#include "datasets/import_dataset.h"
#include "datasets/import_formats.h"
#include "harness/dataset_choice.h"
#include "support/files.h"
#include "support/interrupt.h"
#include "support/json.h"
#include "support/log.h"

namespace mathtrap {
namespace {

// --- import ---

struct ImportCommand {
  ImportOptions import;
  std::vector<std::string> files;
  std::string output;
};

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void print_import(const ImportResult& result, const ImportCommand& command, bool json) {
  if (!json) {
    for (const SkippedRecord& skipped : result.skipped) fmt::print("{}\n", describe(skipped.place, skipped.reason));
    fmt::print("read {} records, kept {}, skipped {}\n", result.read, result.records.size(), result.skipped.size());
    return;
  }
  Json skipped = Json::array();
  for (const auto& [place, reason] : result.skipped) {
    skipped.push_back({{"file", place.file}, {"line", place.line}, {"reason", reason}});
  }
  print_json(
      {{"read", result.read}, {"kept", result.records.size()}, {"skipped", skipped}, {"output", command.output}});
}

int import_files(const ImportCommand& command, const CommonOptions& common) {
  std::error_code ignored;
  for (const std::string& file : command.files) {
    if (std::filesystem::equivalent(file, command.output, ignored)) {
      throw Error(fmt::format("{}: is read, and would be overwritten; give another -o", file));
    }
  }
  AtomicFile file(command.output);  // before the work: a place that cannot be written is told at once
  const ImportResult result = import_dataset(command.files, command.import);
  for (const Record& record : result.records) file.write(write_json_record(record) + "\n");
  if (interrupted()) {
    note("interrupted; nothing was written");
    return 1;
  }
  file.commit();
  if (result.records.empty()) warn(fmt::format("{}: no record was kept", command.output));
  print_import(result, command, common.json);
  return 0;
}

// --- export ---

struct ExportCommand {
  ExportOptions options;
  std::vector<std::string> data;
};

int export_data(const ExportCommand& command, const CommonOptions& common) {
  const ExportResult result = export_dataset(choose_records(command.data, 0, common.seed), command.options);
  if (!common.json) {
    for (const auto& [id, reason] : result.left_out) fmt::print("{}: left out: {}\n", id, reason);
    for (const auto& [file, count] : result.written) fmt::print("{}: {}\n", file, count);
    return 0;
  }
  Json written = Json::array();
  for (const auto& [file, count] : result.written) written.push_back({{"file", file}, {"count", count}});
  Json left_out = Json::array();
  for (const auto& [id, reason] : result.left_out) left_out.push_back({{"id", id}, {"reason", reason}});
  print_json({{"written", written}, {"left_out", left_out}, {"output", command.options.output}});
  return 0;
}

void add_import(CLI::App& data, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<ImportCommand>();
  CLI::App* command = data.add_subcommand("import", "Make records of a set: JSON or JSON lines");
  add_common_options(*command, common);
  command->add_option("files", options->files, "Files of the set")->required();
  command
      ->add_option("--from", options->import.format,
                   fmt::format("auto (by the fields), {}", fmt::join(import_format_names(), ", ")))
      ->capture_default_str();
  command->add_option("-o,--output", options->output, "File to write, as JSON lines")->required();
  command->add_flag("--skip-bad", options->import.skip_bad, "Leave broken records out, and name them");
  command->callback(
      [options, &common, &action] { action = [options, &common] { return import_files(*options, common); }; });
}

void add_export(CLI::App& data, CommonOptions& common, CommandAction& action) {
  auto command_options = std::make_shared<ExportCommand>();
  ExportOptions& options = command_options->options;
  CLI::App* command = data.add_subcommand("export", "Write problems in a form that other programs read");
  add_common_options(*command, common);
  command->add_option("data", command_options->data, "open, families[:SPLIT], files or folders")->required();
  command->add_option("--to", options.format, fmt::format("{}", fmt::join(export_format_names(), ", ")))->required();
  command->add_option("--arms", options.arms, "Of original, trap, concept")->delimiter(',')->capture_default_str();
  command->add_option("-o,--output", options.output, "File (mathtrap, jsonl) or fresh folder (lm-eval, inspect)")
      ->required();
  command->callback([command_options, &common, &action] {
    action = [command_options, &common] { return export_data(*command_options, common); };
  });
}

}  // namespace

void add_data_command(CLI::App& program, CommonOptions& common, CommandAction& action) {
  CLI::App* data = program.add_subcommand("data", "Bring data sets in, and take ours out");
  data->require_subcommand(1);
  add_import(*data, common, action);
  add_export(*data, common, action);
  add_data_filter_command(*data, common, action);
}

}  // namespace mathtrap

// mathtrap traps: authoring. `generate` draws instances of families; the others are in files of their own.
#include <fmt/format.h>

#include <cstdio>
#include <optional>

#include "cli/commands.h"
#include "model/runtime.h"
#include "support/files.h"
#include "support/interrupt.h"
#include "support/json.h"
#include "support/log.h"
#include "support/progress.h"
#include "traps/generate.h"
#include "traps/proof/flaw.h"
#include "traps/toml_folder.h"

namespace mathtrap {
namespace {

struct GenerateOptions {
  std::string families;
  std::string split = "train";
  std::uint64_t count = 100;
  std::string output;
  bool unproved = false;
};

/// Lines of a data set, to a file that appears whole or to stdout.
class LineSink {
 public:
  LineSink(const std::string& path, std::uint64_t total) : progress_("generate", total, "lines") {
    if (!path.empty()) file_.emplace(path);
  }

  void write(const std::string& line) {
    if (interrupted()) throw Interrupted("interrupted; nothing was written");
    if (file_) {
      file_->write(line + "\n");
      progress_.update(++lines_);
    } else {
      fmt::print("{}\n", line);
    }
  }

  void finish() {
    if (file_) file_->commit();
  }

 private:
  Progress progress_;
  std::optional<AtomicFile> file_;
  std::uint64_t lines_ = 0;
};

/// Proves records, so many at once, before they are written.
class ProvingSink {
 public:
  ProvingSink(LineSink& sink, int workers) : sink_(sink), workers_(workers) {}

  void write(const Record& record) {
    batch_.push_back(record);
    if (batch_.size() == kBatch) finish();
  }

  void finish() {
    prove_instances(batch_, workers_);
    for (const Record& record : batch_) sink_.write(write_json_record(record));
    batch_.clear();
  }

 private:
  static constexpr std::size_t kBatch = 500;
  LineSink& sink_;
  int workers_;
  std::vector<Record> batch_;
};

/// A folder of reply forms is known by its files: they hold [[example]].
bool holds_reply_forms(const std::string& path) {
  const std::string first = toml_files(path).front();
  return read_toml_file(first).contains("example");
}

void print_report(const GenerationReport& report, const GenerateOptions& options) {
  Json json = Json::object();
  json["written"] = options.count;
  json["repeats"] = report.repeats;
  json["exhausted"] = report.exhausted;
  json["output"] = options.output;
  fmt::print("{}\n", json.dump());
}

int generate(const GenerateOptions& options, const CommonOptions& common) {
  const std::string path = options.families.empty() ? resource("datasets/families").string() : options.families;
  const Split split = parse_split(options.split);
  LineSink sink(options.output, options.count);
  GenerationReport report;
  if (holds_reply_forms(path)) {
    report = generate_replies(read_reply_forms(path), split, options.count, common.seed,
                              [&](const FormedReply& reply) { sink.write(write_json_reply(reply)); });
  } else {
    ProvingSink proved(sink, common.threads > 0 ? common.threads : available_threads());
    report = generate_records(read_families(path), split, options.count, common.seed, [&](const Record& record) {
      options.unproved ? sink.write(write_json_record(record)) : proved.write(record);
    });
    proved.finish();
  }
  sink.finish();
  if (!report.exhausted.empty()) {
    note(fmt::format("{} of {} repeat an earlier problem; out of fresh ones: {}", report.repeats, options.count,
                     fmt::join(report.exhausted, ", ")));
  }
  // Without a file the lines themselves are the result, and JSON already.
  if (common.json && !options.output.empty()) print_report(report, options);
  return 0;
}

}  // namespace

void add_traps_command(CLI::App& program, CommonOptions& common, CommandAction& action) {
  CLI::App* traps = program.add_subcommand("traps", "Author problems and their traps");
  traps->require_subcommand(1);

  auto options = std::make_shared<GenerateOptions>();
  CLI::App* command = traps->add_subcommand("generate", "Draw fresh problems from families, as JSONL");
  add_common_options(*command, common);
  command->add_option("--families", options->families,
                      "Folder or file of families (default: the shipped ones) or reply forms");
  command->add_option("--split", options->split, "train, validation or test: they share no texts")
      ->capture_default_str();
  command->add_option("--count", options->count, "How many, the families in turn")->capture_default_str();
  command->add_option("-o,--output", options->output, "File to write (default: stdout)");
  command->add_flag("--unproved", options->unproved, "Do not prove each instance: faster by far, and without its flaw");
  command->callback(
      [options, &common, &action] { action = [options, &common] { return generate(*options, common); }; });

  add_traps_check_command(*traps, common, action);
  add_traps_inject_command(*traps, common, action);
  add_traps_author_commands(*traps, common, action);
}

}  // namespace mathtrap

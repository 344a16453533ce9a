// mathtrap traps inject: derives traps from formalised originals, by operations or by a language model's proposals, and
// keeps what is proved.
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "harness/dataset_choice.h"
#include "harness/models_under_test.h"
#include "model/runtime.h"
#include "support/files.h"
#include "support/interrupt.h"
#include "support/json.h"
#include "support/log.h"
#include "support/progress.h"
#include "traps/injection/inject.h"
#include "traps/injection/proposal.h"

namespace mathtrap {
namespace {

namespace fs = std::filesystem;

struct InjectOptions {
  std::vector<std::string> data;
  std::size_t limit = 0;
  std::string output;
  std::string log;
  std::string model;
  EngineOptions engine;
  GenerationOptions generation;
};

Json rejection_json(const Rejection& rejection) {
  return {{"id", rejection.id}, {"operation", rejection.operation}, {"reason", rejection.reason}};
}

std::string lines_of(const std::vector<Record>& records) {
  std::string lines;
  for (const Record& record : records) lines += write_json_record(record) + "\n";
  return lines;
}

/// To a .jsonl file, to a folder as authored files, or to stdout.
void write_traps(const std::vector<Record>& traps, const std::string& output, bool json) {
  if (output.empty()) {
    if (!json) fmt::print("{}", lines_of(traps));
  } else if (output.ends_with(".jsonl")) {
    write_file_atomically(output, lines_of(traps));
  } else {
    fs::create_directories(output);
    for (const Record& record : traps) {
      write_file_atomically(fs::path(output) / (record.id + ".toml"), write_toml_record(record));
    }
  }
}

void print_summary(const Injection& injection, std::size_t originals, const InjectOptions& options, bool json) {
  std::map<std::string, std::size_t> types;
  for (const Record& record : injection.traps) ++types[std::string(to_string(*record.trap_type))];
  if (!json) {
    note(fmt::format("{} originals, {} candidates: {} traps are proved ({:.1f} an original), {} rejected", originals,
                     injection.candidates, injection.traps.size(),
                     static_cast<double>(injection.traps.size()) / static_cast<double>(originals),
                     injection.rejected.size()));
    for (const auto& [type, count] : types) note(fmt::format("  {:<24}{:>5}", type, count));
    return;
  }
  Json summary = {{"originals", originals}, {"candidates", injection.candidates}, {"proved", injection.traps.size()},
                  {"types", types},         {"output", options.output},           {"rejected", Json::array()}};
  for (const Rejection& rejection : injection.rejected) summary["rejected"].push_back(rejection_json(rejection));
  fmt::print("{}\n", summary.dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// By operations on the formalisation.
Injection derive(const std::vector<Record>& originals, int workers) {
  Progress progress("prove", 0, "candidates");
  return inject_traps(originals, workers, [&](std::size_t finished) {
    if (interrupted()) throw Interrupted("interrupted; nothing was written");
    progress.update(finished);
  });
}

/// Provers are forked after this: the model is closed then, and what threads its runtime keeps are idle.
std::vector<std::string> replies_to(const std::vector<GenerationRequest>& requests, const InjectOptions& options,
                                    int threads) {
  prepare_runtime(threads);
  const auto model = open_model(options.model, options.engine);
  std::vector<std::string> replies(requests.size());
  Progress progress("propose", requests.size(), "replies");
  std::size_t answered = 0;
  model->answer(requests, [&](std::size_t index, const Completion& completion) {
    replies[index] = completion.text;
    progress.update(++answered);
    return !interrupted();
  });
  if (interrupted()) throw Interrupted("interrupted; nothing was written");
  return replies;
}

std::string proposed(TrapType type) {
  return fmt::format("propose {}", to_string(type));
}

/// By a model's proposals: one request for each type of trap and original.
Injection propose(const std::vector<Record>& originals, const InjectOptions& options, const CommonOptions& common,
                  int workers) {
  Injection injection;
  std::vector<GenerationRequest> requests;
  std::vector<std::pair<const Record*, TrapType>> asked;
  for (const Record& original : originals) {
    if (!original.original || original.proof.givens.empty()) {
      injection.rejected.push_back({original.id, "", "it has no original with a formalisation to start from"});
      continue;
    }
    for (const TrapType type : kTrapTypes) {
      std::string prompt = proposal_prompt(original, type);
      const TextSpan whole{0, prompt.size()};
      requests.push_back({std::move(prompt), options.generation, {whole}});
      requests.back().options.seed = common.seed;
      asked.emplace_back(&original, type);
    }
  }
  injection.candidates = requests.size();
  std::vector<Record> proposals;
  const std::vector<std::string> replies = replies_to(requests, options, common.threads);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    try {
      proposals.push_back(read_proposal(*asked[i].first, asked[i].second, replies[i]));
    } catch (const Error& error) {
      injection.rejected.push_back({asked[i].first->id, proposed(asked[i].second), error.what()});
    }
  }
  std::vector<std::string> operations;
  for (const Record& record : proposals) operations.push_back(proposed(*record.trap_type));
  injection.traps = keep_proved(std::move(proposals), operations, workers, injection.rejected);
  return injection;
}

int inject(const InjectOptions& options, const CommonOptions& common) {
  const std::vector<Record> originals = choose_records(options.data, options.limit, common.seed);
  if (!options.model.empty()) check_model_name(options.model);
  const int workers = common.threads > 0 ? common.threads : available_threads();
  const Injection injection =
      options.model.empty() ? derive(originals, workers) : propose(originals, options, common, workers);
  write_traps(injection.traps, options.output, common.json);
  if (!options.log.empty()) {
    std::string lines;
    for (const Rejection& rejection : injection.rejected) {
      lines += rejection_json(rejection).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
    write_file_atomically(options.log, lines);
  }
  print_summary(injection, originals.size(), options, common.json);
  return 0;
}

}  // namespace

void add_traps_inject_command(CLI::App& traps, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<InjectOptions>();
  CLI::App* command = traps.add_subcommand("inject", "Derive proved traps from formalised originals");
  add_common_options(*command, common);
  command->add_option("data", options->data, "Originals with a [proof]: open, files or folders")->required();
  command->add_option("--limit", options->limit, "At most so many originals, picked by the seed");
  command->add_option("-o,--output", options->output,
                      "A .jsonl file, or a folder for authored files (default: stdout)");
  command->add_option("--model", options->model,
                      "Let a model propose the traps: a name as of eval, or replay:FILE.jsonl; what is not proved is "
                      "rejected");
  options->generation.max_new_tokens = 2048;
  command->add_option("--max-new-tokens", options->generation.max_new_tokens, "Longest proposal, in tokens")
      ->capture_default_str();
  command->add_option("--temperature", options->generation.temperature, "0: the likeliest token each time")
      ->capture_default_str();
  command->add_option("--device", options->engine.device, "cpu or cuda:N")->capture_default_str();
  command->add_option("--log", options->log, "File for what was rejected, with the reasons (JSONL)");
  command->callback([options, &common, &action] { action = [options, &common] { return inject(*options, common); }; });
}

}  // namespace mathtrap

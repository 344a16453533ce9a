// mathtrap finetune: adapts a model to instructions or problems, all of its weights or by an adapter (LoRA).
#include <fmt/format.h>

#include <filesystem>

#include "cli/commands.h"
#include "cli/settings_file.h"
#include "cli/training_flags.h"
#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

struct CommandOptions {
  TrainingFlags flags;
  AdapterOptions adapter;
  std::string method = "lora";
  std::string targets = "all";
  std::string settings;
  bool freeze_gates = false;
};

int run(CommandOptions& options, const CommonOptions& common) {
  finish_training_flags(options.flags, common);
  TrainingOptions& training = options.flags.training;
  if (training.from.empty()) throw Error("--from: a model is needed");
  if (options.freeze_gates) training.learned = LearnedWeights::all_but_gates;
  if (options.method == "lora") {
    options.adapter.targets = parse_target_modules(options.targets);
    training.adapter = options.adapter;
  }
  return run_training(options.flags, common);
}

/// A preset is a settings file that ships with the program.
std::string settings_path(const std::string& name) {
  std::error_code ignored;
  if (std::filesystem::exists(name, ignored) || name.find('/') != std::string::npos) return name;
  return resource(fmt::format("finetune/presets/{}.toml", name)).string();
}

void add_adapter_flags(CLI::App& command, CommandOptions& options) {
  const std::string group = "What is learned";
  command.add_option("--from", options.flags.training.from, "Model to adapt: zoo:NAME, a folder or a file")
      ->group(group);
  command.add_option("--method", options.method, "lora: an adapter beside the weights; full: all weights")
      ->check(CLI::IsMember({"lora", "full"}))
      ->capture_default_str()
      ->group(group);
  command.add_option("--rank", options.adapter.rank, "Rank of the adapter's updates")
      ->capture_default_str()
      ->group(group);
  command.add_option("--alpha", options.adapter.alpha, "Updates are multiplied by alpha / rank")
      ->capture_default_str()
      ->group(group);
  command.add_option("--dropout", options.adapter.dropout, "Share of an update's inputs left out in training")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--targets", options.targets,
                  "all, or of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, with commas")
      ->capture_default_str()
      ->group(group);
  command
      .add_flag("--freeze-gates", options.freeze_gates, "With full: the gates of a mixture of experts stay as they are")
      ->group(group);
}

/// What suits a model that has learned something already.
void set_defaults(TrainingFlags& flags) {
  flags.mix = "original:0.6,concept:0.2,trap:0.2";
  TrainingOptions& training = flags.training;
  training.optimizer.learning_rate = 2e-4;
  training.optimizer.final_share = 0;
  training.optimizer.warmup_share = 0.03;
  training.optimizer.beta2 = 0.999;
  training.optimizer.weight_decay = 0;
  training.validation_steps = 50;
}

}  // namespace

void add_finetune_command(CLI::App& program, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<CommandOptions>();
  set_defaults(options->flags);
  CLI::App* command = program.add_subcommand("finetune", "Adapt a model: full or by LoRA");
  add_common_options(*command, common);
  add_adapter_flags(*command, *options);
  add_training_flags(*command, options->flags);
  command->add_option("--config", options->settings, "TOML file of settings named as the flags, or a preset: paper");
  command->callback([options, command, &common, &action] {
    action = [options, command, &common] {
      if (!options->settings.empty()) apply_settings_file(*command, settings_path(options->settings));
      return run(*options, common);
    };
  });
}

}  // namespace mathtrap

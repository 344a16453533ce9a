// mathtrap moe pretrain: continual pre-training of a mixture of experts (or of a dense model beside it), over domains
// of running text or on problems.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/training_flags.h"
#include "support/error.h"

namespace mathtrap {
namespace {

struct CommandOptions {
  TrainingFlags flags;
  std::string learn = "all";
};

int run(CommandOptions& options, const CommonOptions& common) {
  finish_training_flags(options.flags, common);
  TrainingOptions& training = options.flags.training;
  if (training.from.empty()) throw Error("--from: a model is needed");
  training.learned = options.learn == "gates" ? LearnedWeights::gates : LearnedWeights::all;
  return run_training(options.flags, common);
}

void add_expert_flags(CLI::App& command, CommandOptions& options) {
  const std::string group = "Experts";
  TrainingOptions& training = options.flags.training;
  command.add_option("--from", training.from, "Model to train on: zoo:NAME, a folder or a file")->group(group);
  command.add_option("--learn", options.learn, "all weights, or the gates alone")
      ->check(CLI::IsMember({"all", "gates"}))
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--gate-warmup", training.gate_warmup_steps,
                  "Steps before the training in which the gates alone are learned")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--bias-rate", training.bias_rate,
                  "Even the load by a bias of each expert that changes so much a step, such as 0.001 (0: by the "
                  "balance loss of the model's configuration alone)")
      ->capture_default_str()
      ->group(group);
}

/// Those of LLaMA-MoE (arXiv 2406.16554): a warm-up of 100 in 13,600 steps, cosine to a tenth.
void set_defaults(TrainingFlags& flags) {
  flags.mix = "original:0.7,concept:0.3";  // what families have
  OptimizerOptions& optimizer = flags.training.optimizer;
  optimizer.learning_rate = 2e-4;
  optimizer.final_share = 0.1;
  optimizer.warmup_share = 0.0075;
  optimizer.beta2 = 0.95;
  optimizer.weight_decay = 0.1;
}

}  // namespace

void add_moe_pretrain_command(CLI::App& moe, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<CommandOptions>();
  set_defaults(options->flags);
  CLI::App* command = moe.add_subcommand("pretrain", "Train a mixture of experts on, over domains of text");
  add_common_options(*command, common);
  add_expert_flags(*command, *options);
  add_domain_flags(*command, options->flags);
  add_training_flags(*command, options->flags);
  command->callback([options, &common, &action] { action = [options, &common] { return run(*options, common); }; });
}

}  // namespace mathtrap

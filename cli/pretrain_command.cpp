// mathtrap pretrain: trains a LLaMA from nothing, or on from a checkpoint.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/training_flags.h"

namespace mathtrap {
namespace {

struct CommandOptions {
  TrainingFlags flags;
  bool texts_only = false;
};

int print_texts(const TrainingOptions& training) {
  const auto print = [](const DocumentText& text) { fmt::print("{}{}\n", text.prompt.text, text.reply); };
  for (const std::string& path : training.data) for_each_document(path, training.documents, print);
  for_each_document(training.records, training.documents, print);
  return 0;
}

int run(CommandOptions& options, const CommonOptions& common) {
  finish_training_flags(options.flags, common);
  return options.texts_only ? print_texts(options.flags.training) : run_training(options.flags, common);
}

void add_model_flags(CLI::App& command, TrainingOptions& training) {
  const std::string group = "Model";
  command.add_option("--tokenizer", training.tokenizer, "SentencePiece model or tokenizer.json, for a new model")
      ->group(group);
  command.add_option("--from", training.from, "Model to train on instead")->group(group);
  NewModel& shape = training.shape;
  command.add_option("--hidden", shape.hidden_size, "Width of a new model")->capture_default_str()->group(group);
  command.add_option("--intermediate", shape.intermediate_size, "Width of its feed-forward layers")
      ->capture_default_str()
      ->group(group);
  command.add_option("--layers", shape.layers, "Its layers")->capture_default_str()->group(group);
  command.add_option("--heads", shape.heads, "Its attention heads")->capture_default_str()->group(group);
  command.add_option("--kv-heads", shape.key_value_heads, "Its key/value heads")->capture_default_str()->group(group);
  command.add_option("--context", shape.context, "Its longest text, in tokens")->capture_default_str()->group(group);
}

}  // namespace

void add_pretrain_command(CLI::App& program, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<CommandOptions>();
  CLI::App* command = program.add_subcommand("pretrain", "Train a LLaMA from nothing, or on");
  add_common_options(*command, common);
  add_model_flags(*command, options->flags.training);
  add_training_flags(*command, options->flags);
  add_domain_flags(*command, options->flags);
  command->add_flag("--texts-only", options->texts_only,
                    "Print the training texts and stop: what a tokenizer is trained on");
  command->callback([options, &common, &action] { action = [options, &common] { return run(*options, common); }; });
}

}  // namespace mathtrap

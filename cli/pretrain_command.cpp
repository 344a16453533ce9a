// mathtrap pretrain: trains a LLaMA from nothing, or on from a checkpoint.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
#include "finetune/pretrain.h"
#include "model/runtime.h"
#include "support/json.h"
#include "support/log.h"

namespace mathtrap {
namespace {

struct CommandOptions {
  PretrainOptions training;
  std::string mix = "original:0.6,concept:0.25,instruction:0.15";
  std::string loss = "reply";
  double minutes = 0;
  double checkpoint_minutes = 5;
  bool texts_only = false;
};

int print_texts(const CommandOptions& options) {
  for (const std::string& path : options.training.data) {
    for_each_document(path, options.training.documents,
                      [](const DocumentText& text) { fmt::print("{}{}\n", text.prompt, text.reply); });
  }
  return 0;
}

int run(CommandOptions& options, const CommonOptions& common) {
  options.training.seed = common.seed;
  options.training.documents.seed = common.seed;
  options.training.documents.mix = parse_mix(options.mix);
  options.training.learn_prompts = options.loss == "all";
  options.training.limits.seconds = options.minutes * 60;
  options.training.checkpoint_seconds = options.checkpoint_minutes * 60;
  if (options.texts_only) return print_texts(options);
  prepare_runtime(common.threads);
  const PretrainResult result = pretrain(options.training);
  if (common.json) {
    const Json json = {{"output", options.training.output}, {"finished", result.finished},
                       {"steps", result.spent.steps},       {"tokens", result.spent.tokens},
                       {"seconds", result.spent.seconds},   {"loss", result.loss},
                       {"validation", result.validation}};
    fmt::print("{}\n", json.dump());
  } else if (result.finished) {
    note(fmt::format("the model is in {}", options.training.output));
  }
  if (!result.finished) note("interrupted; the same command goes on from here");
  return result.finished ? 0 : 1;
}

void add_data_options(CLI::App& command, CommandOptions& options) {
  PretrainOptions& training = options.training;
  command.add_option("--data", training.data,
                     "Problem records, or JSONL lines {\"instruction\",\"response\"}; may be repeated");
  command.add_option("--validation", training.validation, "Held-out data: its loss, and how much is said exactly");
  command.add_option("--mix", options.mix, "Shares of original, concept, trap and instruction documents")
      ->capture_default_str();
  command.add_option("--hint-share", training.documents.hint_share, "Share of prompts that carry the hint")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--prompt-form", training.documents.prompt_form, "Frame around questions")->capture_default_str();
  command.add_option("--loss", options.loss, "Learn the reply, or all: the prompt too")
      ->check(CLI::IsMember({"reply", "all"}))
      ->capture_default_str();
  command.add_flag("--texts-only", options.texts_only,
                   "Print the training texts and stop: what a tokenizer is trained on");
}

void add_model_options(CLI::App& command, PretrainOptions& training) {
  command.add_option("--out", training.output, "Folder of the finished model; an interrupted training goes on there");
  command.add_option("--tokenizer", training.tokenizer, "SentencePiece model or tokenizer.json, for a new model");
  command.add_option("--from", training.from, "Model to train on instead");
  command.add_option("--hidden", training.shape.hidden_size, "Width of a new model")->capture_default_str();
  command.add_option("--intermediate", training.shape.intermediate_size, "Width of its feed-forward layers")
      ->capture_default_str();
  command.add_option("--layers", training.shape.layers, "Its layers")->capture_default_str();
  command.add_option("--heads", training.shape.heads, "Its attention heads")->capture_default_str();
  command.add_option("--kv-heads", training.shape.key_value_heads, "Its key/value heads")->capture_default_str();
  command.add_option("--context", training.shape.context, "Its longest text, in tokens")->capture_default_str();
  command.add_option("--dtype", training.dtype, "Weights of the finished model: bf16 or f32")->capture_default_str();
}

void add_training_options(CLI::App& command, CommandOptions& options) {
  PretrainOptions& training = options.training;
  command.add_option("--tokens", training.limits.tokens, "Train for so many tokens, prompts included");
  command.add_option("--steps", training.limits.steps, "Train for so many steps");
  command
      .add_option(
          "--minutes", options.minutes,
          "Train for so long; the first limit reached ends the training, and the learning rate falls towards it")
      ->check(CLI::Range(0.0, 1e6));
  command.add_option("--batch-tokens", training.batch_tokens, "Tokens of one batch, at most")->capture_default_str();
  command.add_option("--accumulate", training.accumulate, "Batches of one step")->capture_default_str();
  command.add_option("--learning-rate", training.optimizer.learning_rate, "Highest learning rate")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--weight-decay", training.optimizer.weight_decay, "On matrices")->capture_default_str();
  command.add_option("--warmup", training.optimizer.warmup_share, "Share of the training with a rising rate")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str();
  command.add_option("--checkpoint-steps", training.checkpoint_steps, "Steps between checkpoints")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--checkpoint-minutes", options.checkpoint_minutes, "Longest time between checkpoints; 0: any")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command.add_option("--validation-steps", training.validation_steps, "Steps between looks at the held-out data")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_flag("!--f32", training.bf16, "Products in f32 instead of bfloat16");
}

}  // namespace

void add_pretrain_command(CLI::App& program, CommonOptions& common, CommandAction& action) {
  auto options = std::make_shared<CommandOptions>();
  CLI::App* command = program.add_subcommand("pretrain", "Train a LLaMA from nothing, or on");
  add_common_options(*command, common);
  add_data_options(*command, *options);
  add_model_options(*command, options->training);
  add_training_options(*command, *options);
  command->callback([options, &common, &action] { action = [options, &common] { return run(*options, common); }; });
}

}  // namespace mathtrap

#include "cli/training_flags.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "harness/dataset_choice.h"
#include "model/runtime.h"
#include "support/json.h"
#include "support/log.h"

namespace mathtrap {
namespace {

bool is_file(const std::string& name) {
  std::error_code ignored;
  return std::filesystem::exists(name, ignored);
}

void add_data_flags(CLI::App& command, TrainingFlags& flags) {
  const std::string group = "Data";
  command
      .add_option("--data", flags.data,
                  "Problem records, JSONL lines {\"instruction\",\"response\"}, a set that data import knows, or "
                  "families[/GROUP][:SPLIT]; may be repeated")
      ->group(group);
  command.add_option("--instances", flags.instances, "Instances drawn of families")
      ->check(CLI::Range(std::size_t{1}, std::size_t{100000000}))
      ->capture_default_str()
      ->group(group);
  command.add_option("--validation", flags.validation, "Held-out data: its loss, and how much is said exactly")
      ->group(group);
  command.add_option("--mix", flags.mix, "Shares of original, concept, trap and instruction documents")
      ->capture_default_str()
      ->group(group);
  DocumentOptions& documents = flags.training.documents;
  command.add_option("--hint-share", documents.hint_share, "Share of prompts that carry the hint")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str()
      ->group(group);
  command.add_option("--prompt-form", documents.prompt_form, "Frame around questions")
      ->capture_default_str()
      ->group(group);
  command.add_option("--loss", flags.loss, "Learn the reply, or all: the prompt too")
      ->check(CLI::IsMember({"reply", "all"}))
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--max-length", flags.training.max_length,
                  "Longest document in tokens; longer ones are left out and named (0: the model's context)")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--dry-run", flags.dry_run,
                  "Show so many documents as they would be trained on, what is learned between ⟦ and ⟧, and stop")
      ->group(group);
}

void add_duration_flags(CLI::App& command, TrainingFlags& flags) {
  const std::string group =
      "Duration: the first limit reached ends the training, and the learning rate falls towards it";
  TrainingLimits& limits = flags.training.limits;
  command.add_option("--epochs", flags.training.epochs, "Passes over as many documents as the data hold")
      ->check(CLI::Range(0.0, 1e6))
      ->group(group);
  command.add_option("--tokens", limits.tokens, "Train for so many tokens, prompts included")->group(group);
  command.add_option("--steps", limits.steps, "Train for so many steps")->group(group);
  command.add_option("--minutes", flags.minutes, "Train for so long")->check(CLI::Range(0.0, 1e6))->group(group);
  command
      .add_option("--patience", flags.training.patience,
                  "Stop after so many looks at the held-out data without a lower loss (0: never)")
      ->group(group);
}

void add_optimizer_flags(CLI::App& command, TrainingFlags& flags) {
  const std::string group = "Optimiser";
  TrainingOptions& training = flags.training;
  OptimizerOptions& optimizer = training.optimizer;
  command.add_option("--batch-tokens", training.batch_tokens, "Tokens of one batch, at most")
      ->capture_default_str()
      ->group(group);
  command.add_option("--accumulate", training.accumulate, "Batches of one step")->capture_default_str()->group(group);
  command
      .add_option("--step-documents", training.step_documents,
                  "Documents of one step instead, in as many batches as they need (0: by batches)")
      ->capture_default_str()
      ->group(group);
  command.add_option("--learning-rate", optimizer.learning_rate, "Highest learning rate")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(group);
  command.add_option("--schedule", flags.schedule, "How the rate falls: cosine, linear or constant")
      ->capture_default_str()
      ->group(group);
  command.add_option("--final-share", optimizer.final_share, "Of the highest rate, at the end")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str()
      ->group(group);
  command.add_option("--warmup", optimizer.warmup_share, "Share of the training with a rising rate")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str()
      ->group(group);
  command.add_option("--weight-decay", optimizer.weight_decay, "On matrices")->capture_default_str()->group(group);
  command.add_option("--clip-norm", optimizer.clip_norm, "Largest norm of the gradient (0: any)")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--spike", training.spike,
                  "Stop when the loss is so far above the mean of the last 100 steps (0: never)")
      ->capture_default_str()
      ->group(group);
  command.add_flag("!--f32", training.bf16, "Products in f32 instead of bfloat16")->group(group);
  command
      .add_flag("--recompute", training.recompute,
                "Compute activations again in the backward pass: less memory, a third more work")
      ->group(group);
}

void add_checkpoint_flags(CLI::App& command, TrainingFlags& flags) {
  const std::string group = "Checkpoints";
  TrainingOptions& training = flags.training;
  command.add_option("--out", training.output, "Folder of the finished model; an interrupted training goes on there")
      ->group(group);
  command.add_option("--checkpoint-steps", training.checkpoint_steps, "Steps between checkpoints")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(group);
  command.add_option("--checkpoint-minutes", flags.checkpoint_minutes, "Longest time between checkpoints; 0: any")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str()
      ->group(group);
  command.add_option("--keep-checkpoints", training.kept_checkpoints, "The last so many are kept")
      ->capture_default_str()
      ->group(group);
  command.add_option("--validation-steps", training.validation_steps, "Steps between looks at the held-out data")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--validation-documents", training.validation_documents,
                  "Of each kind or domain (there windows), so many are looked at")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(group);
  command.add_flag("--keep-best", training.keep_best, "The finished model is the one with the lowest held-out loss")
      ->group(group);
  command.add_option("--dtype", training.dtype, "Weights of the finished model: bf16 or f32")
      ->capture_default_str()
      ->group(group);
}

int print_preview(const TrainingFlags& flags, const CommonOptions& common) {
  for (const Json& document : preview_training(flags.training, flags.dry_run)) {
    if (common.json) {
      fmt::print("{}\n", document.dump());
    } else {
      fmt::print("--- {} at {}: {} tokens, {} learned\n{}\n", document["kind"].get<std::string>(),
                 document["place"].get<std::string>(), document["tokens"].get<std::size_t>(),
                 document["learned"].get<std::size_t>(), document["text"].get<std::string>());
    }
  }
  return 0;
}

}  // namespace

void add_training_flags(CLI::App& command, TrainingFlags& flags) {
  add_data_flags(command, flags);
  add_duration_flags(command, flags);
  add_optimizer_flags(command, flags);
  add_checkpoint_flags(command, flags);
}

void add_domain_flags(CLI::App& command, TrainingFlags& flags) {
  const std::string group = "Domains of running text, instead of --data";
  TrainingOptions& training = flags.training;
  command
      .add_option("--domains", flags.domains,
                  "Folder of NAME.train.jsonl and NAME.validation.jsonl with lines {\"text\"}, or a TOML file of "
                  "[[domain]]")
      ->group(group);
  command
      .add_option("--weights", training.domain_weights,
                  "Shares of the domains: file (weights of the TOML file), uniform, size, llama, sheared, or "
                  "NAME:SHARE,…")
      ->capture_default_str()
      ->group(group);
  command.add_option("--shards", training.shards, "Folder of the domains' tokens (default: shards in --out)")
      ->group(group);
  command
      .add_option("--sampling", flags.sampling,
                  "static, or shares (of domains, or of --mix) that follow held-out losses: dynamic (LLaMA-MoE), "
                  "dynamic-excess (Sheared-LLaMA)")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--update-steps", training.update_steps,
                  "Steps between changes of the shares (0: at each look at the held-out data)")
      ->capture_default_str()
      ->group(group);
  command.add_option("--reference", training.reference, "Model whose held-out losses the shares are to bring about")
      ->group(group);
}

void finish_training_flags(TrainingFlags& flags, const CommonOptions& common) {
  TrainingOptions& training = flags.training;
  training.seed = common.seed;
  training.documents.seed = common.seed;
  training.documents.mix = parse_mix(flags.mix);
  training.learn_prompts = flags.loss == "all";
  training.limits.seconds = flags.minutes * 60;
  training.checkpoint_seconds = flags.checkpoint_minutes * 60;
  training.optimizer.schedule = parse_schedule(flags.schedule);
  training.sampling = parse_sampling(flags.sampling);
  if (!flags.domains.empty()) training.domains = read_domains(flags.domains);
  for (const std::string& name : flags.data) {
    if (is_file(name)) {
      training.data.push_back(name);
      continue;
    }
    for (Record& record : choose_dataset(name, flags.instances, common.seed, "--data").records) {
      training.records.push_back(std::move(record));
    }
  }
  if (is_file(flags.validation)) {
    training.validation = flags.validation;
  } else if (!flags.validation.empty()) {
    training.validation_records =
        choose_dataset(flags.validation, flags.instances, common.seed, "--validation").records;
  }
}

int run_training(const TrainingFlags& flags, const CommonOptions& common) {
  prepare_runtime(common.threads);
  if (flags.dry_run > 0) return print_preview(flags, common);
  const TrainingResult result = train(flags.training);
  if (common.json && result.reports) {
    const Json json = {{"output", flags.training.output},
                       {"finished", result.finished},
                       {"steps", result.spent.steps},
                       {"tokens", result.spent.tokens},
                       {"documents", result.spent.documents},
                       {"seconds", result.spent.seconds},
                       {"loss", result.loss},
                       {"best_step", result.best_step},
                       {"validation", result.validation}};
    fmt::print("{}\n", json.dump());
  } else if (result.finished) {
    note(fmt::format("the {} is in {}", flags.training.adapter ? "adapter" : "model", flags.training.output));
  }
  if (!result.finished) note("interrupted; the same command goes on from here");
  return result.finished ? 0 : 1;
}

}  // namespace mathtrap

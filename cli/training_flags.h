// The flags that mathtrap pretrain, moe pretrain and finetune share: data, duration, optimiser, checkpoints.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "finetune/training.h"

namespace mathtrap {

/// Flags as they are given; `finish` turns them into options.
struct TrainingFlags {
  TrainingOptions training;
  std::vector<std::string> data;  ///< files, and names of data sets such as "families/organism:train"
  std::string validation;
  std::size_t instances = 1000;  ///< drawn of each data set of families
  std::string mix = "original:0.6,concept:0.25,instruction:0.15";
  std::string loss = "reply";
  std::string schedule = "cosine";
  double minutes = 0;
  double checkpoint_minutes = 5;
  std::size_t dry_run = 0;
  std::string domains;  ///< read_domains
  std::string sampling = "static";
};

void add_training_flags(CLI::App& command, TrainingFlags& flags);

/// Running text instead of problems, and shares that follow the losses: for pretrain and moe pretrain.
void add_domain_flags(CLI::App& command, TrainingFlags& flags);

/// Reads what the flags name. Throws Error.
void finish_training_flags(TrainingFlags& flags, const CommonOptions& common);

/// Trains, or shows the first documents with --dry-run, and prints the outcome. Returns the exit code.
int run_training(const TrainingFlags& flags, const CommonOptions& common);

}  // namespace mathtrap

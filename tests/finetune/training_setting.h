// Trainings of a micro model, a second each, and what they leave behind.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "finetune/training.h"
#include "model/runtime.h"
#include "support/files.h"
#include "support/log.h"
#include "tests/catch.h"
#include "tests/finetune/small_tokenizer.h"
#include "tests/model/scratch.h"

namespace mathtrap {

/// Files of a training that takes less than a second.
struct TrainingSetting {
  ScratchFolder folder;

  TrainingSetting() {
    static const bool prepared = [] {
      set_quiet(true);
      prepare_runtime(2);
      return true;
    }();
    REQUIRE(prepared);
    folder.write("tokenizer.model", small_tokenizer_model(letter_pieces()));
    std::string lines;
    for (int i = 0; i < 8; ++i) {
      lines += fmt::format("{{\"instruction\":\"What is {}?\",\"response\":\"It is {}.\"}}\n", i, i * 37 % 100);
    }
    folder.write("data.jsonl", lines);
  }

  TrainingOptions options(const std::string& output) const {
    TrainingOptions options;
    options.tokenizer = folder / "tokenizer.model";
    options.data = {folder / "data.jsonl"};
    options.output = folder / output;
    options.shape = {32, 64, 2, 2, 2, 128};
    options.documents.mix = parse_mix("instruction:1");
    options.documents.hint_share = 0.2;
    options.batch_tokens = 400;
    options.optimizer.learning_rate = 0.01;
    options.limits.steps = 12;
    options.seed = 1;
    options.stop = [] { return false; };
    return options;
  }

  std::vector<Json> log(const std::string& output) const {
    std::vector<Json> lines;
    for_each_line(std::filesystem::path(folder / output) / "log.jsonl",
                  [&](std::string_view line, std::size_t /*number*/) { lines.push_back(Json::parse(line)); });
    return lines;
  }

  std::string file(const std::string& output, const char* name) const {
    return read_file(std::filesystem::path(folder / output) / name);
  }
};

/// What must be the same in two trainings, a line a step.
inline std::string losses(const std::vector<Json>& log) {
  std::string text;
  for (const Json& line : log) {
    for (const char* field : {"step", "tokens", "loss", "learning_rate", "gradient_norm"}) {
      text += line[field].dump() + " ";
    }
    text += "\n";
  }
  return text;
}

inline std::function<bool()> stop_after(int steps) {
  return [steps, done = 0]() mutable { return ++done == steps; };
}

}  // namespace mathtrap

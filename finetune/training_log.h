// log.jsonl: one line a step, readable while a training runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <vector>

#include "support/json.h"

namespace mathtrap {

class TrainingLog {
 public:
  /// Keeps the lines of the first `steps_done` steps of an earlier run and drops the rest: a training that goes on
  /// writes them again.
  TrainingLog(const std::filesystem::path& path, std::int64_t steps_done);

  /// Losses of the lines that were kept.
  const std::vector<double>& losses() const { return losses_; }

  /// Throws Error when the line cannot be written.
  void write(const Json& line);

 private:
  std::filesystem::path path_;
  std::vector<double> losses_;
  std::ofstream file_;
};

}  // namespace mathtrap

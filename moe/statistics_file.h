// Statistics of a text that are half collected, on disk, so that an interrupted pass goes on.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "moe/statistics.h"
#include "support/interrupt.h"

namespace mathtrap {

/// Keeps statistics in a safetensors file, now and then and when the work is to stop.
class StatisticsFile {
 public:
  /// Nothing is kept, and nothing stops the work.
  StatisticsFile() = default;
  /// `fingerprint`: of model, text and options; what was kept for another one is not taken over.
  StatisticsFile(std::string path, std::string fingerprint, std::function<bool()> stop = interrupted,
                 double seconds_between = 60);

  /// What was kept; empty statistics where there is nothing of this fingerprint.
  TextStatistics read() const;
  /// Whether it is time to write; `stops()` then says whether the work ends.
  bool is_due() const;
  bool stops() const { return stop_ && stop_(); }
  void write(const TextStatistics& statistics);
  /// The work is done.
  void remove() const;

 private:
  std::string path_;
  std::string fingerprint_;
  std::function<bool()> stop_;
  double seconds_between_ = 0;
  std::chrono::steady_clock::time_point written_ = std::chrono::steady_clock::now();
};

}  // namespace mathtrap

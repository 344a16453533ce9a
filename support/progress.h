// Progress of long work: a bar with rate and remaining time on a terminal, plain lines elsewhere, nothing when quiet.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace mathtrap {

class Progress {
 public:
  /// `unit` is what is counted, in the plural: "replies", "tokens". A total of 0 means unknown.
  Progress(std::string label, std::uint64_t total, std::string unit);
  /// Leaves the last state on the screen.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` units are complete in all. `extra` is shown behind the bar, such as "loss 1.234".
  void update(std::uint64_t done, const std::string& extra = {});
  /// Work that an earlier run had finished: it counts as done, not towards the rate.
  void start_at(std::uint64_t done);

 private:
  void show(bool last);

  std::string label_;
  std::string unit_;
  std::string extra_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  std::uint64_t started_at_ = 0;
  bool terminal_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_shown_;
};

/// "3 s", "2 min 05 s", "1 h 12 min".
std::string format_duration(double seconds);
/// "950", "12.3k", "4.56M".
std::string format_count(double count);

}  // namespace mathtrap

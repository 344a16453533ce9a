// Notices that a process of a training is gone, killed or silent, says so in one line, and ends the others.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "finetune/process_place.h"

namespace mathtrap {

/// Counters that lie with process 0 and that all processes can reach: adds and returns the new value. Throws when
/// process 0 cannot be reached. Called from two threads.
using SharedCounter = std::function<std::int64_t(const std::string& name, std::int64_t increase)>;

/// Each process counts up its own counter twice a second, and process 0 sees to it that all do. Whoever fails or finds
/// somebody silent counts up a counter of failures: the first one speaks, all others end without a word, so that there
/// is one line however many processes there are. Only of process 0's own end every process tells for itself.
class ProcessWatch {
 public:
  ProcessWatch(const ProcessPlace& place, SharedCounter counter);
  ~ProcessWatch();
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;

  /// An exchange with other processes did not succeed: finds out whose end is the reason, and ends this process.
  [[noreturn]] void connection_broke(const std::string& cause);
  /// This process fails and says `message`: returns the line to say, or ends it in silence where another spoke.
  std::string fail(const std::string& message);
  /// From now on it is no fault when process 0 cannot be reached.
  void expect_end() { ending_ = true; }
  /// The last act of a process: process 0 stays until all others have come here, since their counters lie with it.
  void leave();

 private:
  using Clock = std::chrono::steady_clock;

  /// When a process was last heard of.
  struct Heard {
    std::int64_t beats = 0;
    Clock::time_point at;
  };

  void watch();
  void beat();
  void look_for_silent();
  [[noreturn]] void speak(const std::string& message);
  [[noreturn]] void say_that_first_is_gone();

  ProcessPlace place_;
  SharedCounter counter_;
  std::vector<Heard> heard_;  ///< by rank; process 0 alone keeps it
  std::string cause_;         ///< of what broke
  Clock::time_point broke_at_;
  std::atomic<bool> broke_ = false;
  std::atomic<bool> failing_ = false;
  std::atomic<bool> ending_ = false;
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

}  // namespace mathtrap

// Requests handed to worker threads, and their completions handed back to one thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "model/engine.h"

namespace mathtrap {

/// All functions may be called by any thread.
class RequestQueue {
 public:
  using Finished = std::pair<std::size_t, Completion>;

  RequestQueue(std::size_t requests, int workers) : requests_(requests), workers_(workers) {}

  /// For workers: the next request, in order; nothing when none is left or the queue is stopped.
  std::optional<std::size_t> take();
  void finish(std::size_t request, Completion completion);
  /// The last that a worker calls.
  void leave();
  /// A server was reached, or could not be. Without any that was, the tenth that could not be ends everything with
  /// `message`.
  void connected();
  void not_connected(const std::string& message);
  /// Ends everything with an error; the first one counts.
  void end_with(const std::string& message);
  /// Nothing more is taken, and pauses end.
  void stop();
  bool stopped() const;
  /// Returns false when the queue was stopped before the time was over.
  bool pause(double seconds);

  /// For the thread that collects: what has finished, after waiting for it for at most `seconds`. While no server was
  /// reached nothing is given, for then nothing but failures can be there.
  std::deque<Finished> collect(double seconds);
  /// All workers have left and all that may be collected was.
  bool done() const;
  /// The message of what ended everything. Where no server was ever reached it is that of not_connected().
  std::optional<std::string> error() const;

 private:
  bool something_to_collect() const { return connected_ && !finished_.empty(); }

  mutable std::mutex mutex_;
  std::condition_variable collected_;  // woken by: finish, leave
  std::condition_variable paused_;     // woken by: stop
  const std::size_t requests_;
  int workers_;
  std::size_t next_ = 0;
  std::deque<Finished> finished_;
  bool stopped_ = false;
  bool connected_ = false;
  int not_connected_ = 0;
  std::optional<std::string> error_;
  std::string not_connected_message_;
};

}  // namespace mathtrap

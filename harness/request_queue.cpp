#include "harness/request_queue.h"

#include <chrono>

namespace mathtrap {
namespace {

constexpr int kConnectionsTried = 10;

}  // namespace

std::optional<std::size_t> RequestQueue::take() {
  const std::lock_guard lock(mutex_);
  if (stopped_ || next_ == requests_) return std::nullopt;
  return next_++;
}

void RequestQueue::finish(std::size_t request, Completion completion) {
  const std::lock_guard lock(mutex_);
  finished_.emplace_back(request, std::move(completion));
  collected_.notify_one();
}

void RequestQueue::leave() {
  const std::lock_guard lock(mutex_);
  --workers_;
  collected_.notify_one();
}

void RequestQueue::connected() {
  const std::lock_guard lock(mutex_);
  connected_ = true;
}

void RequestQueue::not_connected(const std::string& message) {
  {
    const std::lock_guard lock(mutex_);
    not_connected_message_ = message;
    if (connected_ || ++not_connected_ < kConnectionsTried) return;
  }
  end_with(message);
}

void RequestQueue::end_with(const std::string& message) {
  {
    const std::lock_guard lock(mutex_);
    if (!error_ && !stopped_) error_ = message;
  }
  stop();
}

void RequestQueue::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  paused_.notify_all();
}

bool RequestQueue::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

bool RequestQueue::pause(double seconds) {
  std::unique_lock lock(mutex_);
  return !paused_.wait_for(lock, std::chrono::duration<double>(seconds), [&] { return stopped_; });
}

std::deque<RequestQueue::Finished> RequestQueue::collect(double seconds) {
  std::unique_lock lock(mutex_);
  collected_.wait_for(lock, std::chrono::duration<double>(seconds),
                      [&] { return something_to_collect() || workers_ == 0; });
  return something_to_collect() ? std::exchange(finished_, {}) : std::deque<Finished>();
}

bool RequestQueue::done() const {
  const std::lock_guard lock(mutex_);
  return workers_ == 0 && !something_to_collect();
}

std::optional<std::string> RequestQueue::error() const {
  const std::lock_guard lock(mutex_);
  if (!error_ && !connected_ && !finished_.empty()) return not_connected_message_;
  return error_;
}

}  // namespace mathtrap

#include "finetune/process_watch.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <future>
#include <utility>

namespace mathtrap {
namespace {

using namespace std::chrono_literals;

constexpr auto kBeat = 500ms;
constexpr auto kSilence = 15s;           // a process that swaps or starves is slow, but not so slow
constexpr auto kSilenceWhenBroken = 4s;  // when a connection is closed already, somebody is gone
constexpr auto kUnexplained = 12s;       // a connection broke, and yet all processes are there
constexpr auto kFarewell = 3s;
constexpr int kFailure = 2;  // as for every error of a user

constexpr const char* kFailures = "failures";
constexpr const char* kBroken = "broken";
constexpr const char* kLeft = "left";

std::string beats_of(int rank) {
  return fmt::format("beats/{}", rank);
}

/// Ends this process while its other threads may wait for peers that are gone; main cannot do it then.
[[noreturn]] void end_process() {
  std::fflush(nullptr);
  std::_Exit(kFailure);
}

void say(const std::string& message) {
  fmt::print(stderr, "mathtrap: {}\n", message);
}

}  // namespace

ProcessWatch::ProcessWatch(const ProcessPlace& place, SharedCounter counter)
    : place_(place), counter_(std::move(counter)) {
  if (place_.rank == 0) heard_.assign(static_cast<std::size_t>(place_.processes), {0, Clock::now()});
  thread_ = std::thread([this] { watch(); });
}

ProcessWatch::~ProcessWatch() {
  stopped_ = true;
  thread_.join();
}

void ProcessWatch::watch() {
  while (!stopped_) {
    // In a thread of its own, since a process 0 that is stopped or cut off keeps a call waiting for ever.
    std::future<void> round = std::async(std::launch::async, [this] { beat(); });
    if (round.wait_for(kSilence) != std::future_status::ready) say_that_first_is_gone();
    try {
      round.get();
    } catch (const std::exception&) {
      if (!ending_ && !failing_) say_that_first_is_gone();
      return;
    }
    std::this_thread::sleep_for(kBeat);
  }
}

void ProcessWatch::beat() {
  counter_(beats_of(place_.rank), 1);
  const bool somebody_failed = counter_(kFailures, 0) > 0;
  // Asked only now: the failure may be our own, and then it is the main thread that speaks.
  if (failing_) return;
  if (somebody_failed) {
    leave();
    end_process();
  }
  if (place_.rank == 0 && !ending_) look_for_silent();
  if (broke_ && Clock::now() - broke_at_ > kUnexplained) {
    speak(fmt::format("the connection between the training's processes broke: {}", cause_));
  }
}

void ProcessWatch::look_for_silent() {
  const bool broken = counter_(kBroken, 0) > 0;
  const Clock::time_point now = Clock::now();
  std::vector<int> silent;
  for (int rank = 1; rank < place_.processes; ++rank) {
    Heard& heard = heard_.at(static_cast<std::size_t>(rank));
    const std::int64_t beats = counter_(beats_of(rank), 0);
    if (beats != heard.beats) heard = {beats, now};
    if (now - heard.at > (broken ? kSilenceWhenBroken : kSilence)) silent.push_back(rank);
  }
  if (silent.empty()) return;
  speak(
      fmt::format("process{} {} of {} {} gone or no longer answer{} (killed, out of memory, or cut off); the same "
                  "command goes on from the last checkpoint",
                  silent.size() > 1 ? "es" : "", fmt::join(silent, ", "), place_.processes,
                  silent.size() > 1 ? "are" : "is", silent.size() > 1 ? "" : "s"));
}

void ProcessWatch::speak(const std::string& message) {
  if (counter_(kFailures, 1) == 1) say(message);
  leave();
  end_process();
}

void ProcessWatch::say_that_first_is_gone() {
  say(fmt::format(
      "process 0 of {} at {} is gone or no longer answers (killed, out of memory, or cut off), says process "
      "{}; the same command goes on from the last checkpoint",
      place_.processes, place_.master_address, place_.rank));
  end_process();
}

void ProcessWatch::connection_broke(const std::string& cause) {
  if (ending_) {
    say(fmt::format("a process ended before all had finished: {}", cause));
    end_process();
  }
  cause_ = cause;
  broke_at_ = Clock::now();
  broke_ = true;
  try {
    counter_(kBroken, 1);
  } catch (const std::exception&) {
    say_that_first_is_gone();
  }
  // The watching thread ends this process as soon as it is known who is gone.
  while (true) std::this_thread::sleep_for(kSilence);
}

std::string ProcessWatch::fail(const std::string& message) {
  failing_ = true;
  try {
    const bool first = counter_(kFailures, 1) == 1;
    leave();
    if (!first) end_process();
  } catch (const std::exception&) {
    // Process 0 is gone as well; our own reason is the better one to tell.
  }
  return place_.rank == 0 ? message : fmt::format("process {} of {}: {}", place_.rank, place_.processes, message);
}

void ProcessWatch::leave() {
  counter_(kLeft, 1);
  if (place_.rank != 0) return;
  const Clock::time_point start = Clock::now();
  while (counter_(kLeft, 0) < place_.processes && Clock::now() - start < kFarewell) std::this_thread::sleep_for(20ms);
}

}  // namespace mathtrap

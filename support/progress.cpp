#include "support/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <utility>

#include "support/log.h"

namespace mathtrap {
namespace {

using std::chrono::steady_clock;

constexpr double kTerminalSeconds = 0.1;  // how often a bar is redrawn
constexpr double kPlainSeconds = 10.0;    // how often a log gets a line
constexpr int kBarCells = 24;

double seconds_between(steady_clock::time_point from, steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

std::string format_duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string format_count(double count) {
  if (count < 1000) return fmt::format("{:.{}f}", count, count < 10 && count != std::floor(count) ? 1 : 0);
  if (count < 1e6) return fmt::format("{:.3g}k", count / 1e3);
  if (count < 1e9) return fmt::format("{:.3g}M", count / 1e6);
  return fmt::format("{:.3g}G", count / 1e9);
}

Progress::Progress(std::string label, std::uint64_t total, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) != 0),
      start_(steady_clock::now()),
      last_shown_(start_) {}

Progress::~Progress() {
  if (done_ != 0 || shown_) show(true);
}

void Progress::start_at(std::uint64_t done) {
  done_ = started_at_ = done;
  start_ = steady_clock::now();
}

void Progress::update(std::uint64_t done, const std::string& extra) {
  done_ = done;
  extra_ = extra;
  const double since = seconds_between(last_shown_, steady_clock::now());
  if (since >= (terminal_ ? kTerminalSeconds : kPlainSeconds)) show(false);
}

void Progress::show(bool last) {
  if (is_quiet()) return;
  const auto now = steady_clock::now();
  last_shown_ = now;
  shown_ = true;
  const double elapsed = seconds_between(start_, now);
  const double rate = elapsed > 0 ? static_cast<double>(done_ - started_at_) / elapsed : 0;
  std::string line = label_ + " ";
  if (total_ != 0) {
    const double part = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
    const int cells = static_cast<int>(part * kBarCells);
    if (terminal_) line += fmt::format("[{:#<{}}{:.<{}}] ", "", cells, "", kBarCells - cells);
    line += fmt::format("{}/{} {} ({:.0f}%)", format_count(static_cast<double>(done_)),
                        format_count(static_cast<double>(total_)), unit_, part * 100);
  } else {
    line += fmt::format("{} {}", format_count(static_cast<double>(done_)), unit_);
  }
  line += fmt::format(", {}/s", format_count(rate));
  if (last) {
    line += fmt::format(", took {}", format_duration(elapsed));
  } else if (total_ > done_ && rate > 0) {
    line += fmt::format(", {} left", format_duration(static_cast<double>(total_ - done_) / rate));
  }
  if (!extra_.empty()) line += ", " + extra_;
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{}{}", line, last ? "\n" : "");
  } else {
    fmt::print(stderr, "{}\n", line);
  }
}

}  // namespace mathtrap

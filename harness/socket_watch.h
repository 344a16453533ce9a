// A second handle on a connection that a library works with: it ends the connection from another thread when time is
// up, when more comes than is allowed, or when the run is stopped. The library bounds each read alone, so a server that
// trickles would hold a request for ever, and headers without end would fill the memory.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

namespace mathtrap {

enum class CutReason { none, timed_out, too_large, stopped };

class SocketWatch {
 public:
  using Clock = std::chrono::steady_clock;

  SocketWatch() = default;
  ~SocketWatch();
  SocketWatch(const SocketWatch&) = delete;
  SocketWatch& operator=(const SocketWatch&) = delete;

  /// A request begins. `max_bytes` counts what is received, headers and encryption included.
  void begin(Clock::time_point deadline, std::uint64_t max_bytes);
  /// Its socket, before it connects. A later socket of the same request (another address of the host) takes its place.
  void watch(int socket);
  /// The request is over. Returns why it was cut, if it was.
  CutReason end();

  /// Cuts the connection when there is a reason; called every few milliseconds by another thread.
  void check(Clock::time_point now);
  /// From now on every request is cut.
  void stop();

 private:
  void cut(CutReason reason);

  std::mutex mutex_;
  int socket_ = -1;  // a duplicate of the library's, so that it cannot become another file under our hands
  bool busy_ = false;
  bool stopped_ = false;
  CutReason reason_ = CutReason::none;
  Clock::time_point deadline_;
  std::uint64_t max_bytes_ = 0;
};

}  // namespace mathtrap

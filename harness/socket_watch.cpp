#include "harness/socket_watch.h"

#include <fcntl.h>
// This one knows tcpi_bytes_received; the C library's netinet/tcp.h does not.
#include <linux/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>

namespace mathtrap {
namespace {

constexpr int kTcpLevel = 6;  // IPPROTO_TCP, whose header would bring the other tcp_info

/// What a socket has received since it was connected; 0 when the system does not say.
std::uint64_t bytes_received(int socket) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (::getsockopt(socket, kTcpLevel, TCP_INFO, &info, &length) != 0) return 0;
  return length >= offsetof(tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received ? info.tcpi_bytes_received
                                                                                             : 0;
}

}  // namespace

SocketWatch::~SocketWatch() {
  if (socket_ >= 0) ::close(socket_);
}

void SocketWatch::begin(Clock::time_point deadline, std::uint64_t max_bytes) {
  const std::lock_guard lock(mutex_);
  busy_ = true;
  reason_ = CutReason::none;
  deadline_ = deadline;
  max_bytes_ = max_bytes;
}

void SocketWatch::watch(int socket) {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::close(socket_);
  socket_ = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
}

CutReason SocketWatch::end() {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  busy_ = false;
  return reason_;
}

void SocketWatch::check(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (!busy_) return;
  if (stopped_) {
    cut(CutReason::stopped);
  } else if (now >= deadline_) {
    cut(CutReason::timed_out);
  } else if (socket_ >= 0 && bytes_received(socket_) > max_bytes_) {
    cut(CutReason::too_large);
  }
}

void SocketWatch::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  if (busy_) cut(CutReason::stopped);
}

/// Done again at each check until the request is over: the first time may come before the socket connects.
void SocketWatch::cut(CutReason reason) {
  if (reason_ == CutReason::none) reason_ = reason;
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

}  // namespace mathtrap

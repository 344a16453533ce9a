// A server that sends bytes as they are, for replies that no HTTP library would send.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

namespace mathtrap {

class RawServer {
 public:
  /// Sends bytes to the client; false once it has gone or the server closes.
  using Send = std::function<bool(std::string_view bytes)>;

  /// Reads each request to its end, has `reply` answer it, and closes the connection; one after the other.
  explicit RawServer(std::function<void(const Send&)> reply) : reply_(std::move(reply)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, generic, length) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, generic, &length) != 0) {
      throw std::runtime_error("no socket to listen on");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~RawServer() {
    closing_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  std::string url() const { return fmt::format("http://127.0.0.1:{}/v1", port_); }

 private:
  void serve() {
    while (!closing_) {
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) continue;
      read_request(connection);
      reply_([&](std::string_view bytes) {
        while (!bytes.empty() && !closing_) {
          const ssize_t sent = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
          if (sent <= 0) return false;
          bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return !closing_;
      });
      ::close(connection);
    }
  }

  /// Closing with bytes unread would reset the connection, and lose what was sent. What is no POST is no request.
  static void read_request(int connection) {
    std::string text;
    char buffer[4096];
    while (true) {
      const ssize_t count = ::recv(connection, buffer, sizeof buffer, 0);
      if (count <= 0) return;
      text.append(buffer, static_cast<std::size_t>(count));
      if (text.front() != 'P') return;
      const std::size_t end = text.find("\r\n\r\n");
      const std::size_t field = text.find("Content-Length: ");
      if (end == std::string::npos || field == std::string::npos) continue;
      if (text.size() >= end + 4 + std::stoul(text.substr(field + 16))) return;
    }
  }

  std::function<void(const Send&)> reply_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> closing_{false};
  std::thread thread_;
};

}  // namespace mathtrap

// One POST after another to one HTTP or HTTPS server, bounded in time and size, and never to another server.
// One bound is missing: the library reads a status line by a recursive pattern, so a server that sends one of hundreds
// of kilobytes ends the program. What the run has stored is kept.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace mathtrap {

struct ServerUrl {
  std::string origin;  ///< "https://host:port"
  std::string path;    ///< "/v1", without a slash at the end; may be empty
  bool local = false;  ///< the host is this machine by its name: localhost, 127.…, [::1]
  bool encrypted = false;
};

/// An http:// or https:// URL of at most 2,000 bytes. Throws Error (which says `place`, never the URL's user part) when
/// it is none, or has a user, a password, a query or a fragment: what is secret does not belong on a command line.
ServerUrl parse_server_url(const std::string& url, const std::string& place);

struct HttpOptions {
  double timeout = 600;      ///< seconds for a request from its beginning to the reply's last byte
  std::string bearer_token;  ///< sent as "Authorization: Bearer …"; empty: no such header
  std::string ca_file;       ///< certificates to trust, PEM; empty: the system's
};

enum class HttpOutcome {
  answered,       ///< status and body are there, whatever the status
  not_connected,  ///< no connection, or no encrypted one
  cut,            ///< the connection ended before the reply did
  timed_out,
  too_large,  ///< the reply has more than kMaxReplyBytes
  untrusted,  ///< the server's certificate is not vouched for
  bad_ca_file,
  stopped,  ///< stop() was called
};

constexpr std::uint64_t kMaxReplyBytes = std::uint64_t{16} << 20;

struct HttpReply {
  HttpOutcome outcome = HttpOutcome::cut;
  int status = 0;
  std::string retry_after;  ///< the header's value; may be empty
  std::string body;
};

/// One line for a reader.
std::string describe_failure(const HttpReply& reply, const HttpOptions& options);

class HttpClient {
 public:
  HttpClient(const ServerUrl& url, const HttpOptions& options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// `path` is put behind the URL's. Redirects are not followed. Called by one thread at a time.
  HttpReply post_json(const std::string& path, const std::string& body);

  /// Ends a request whose time is up; to be called every few milliseconds by another thread while requests go on.
  void check_bounds();
  /// Ends the present request, and every further one at once. By any thread.
  void stop();

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace mathtrap

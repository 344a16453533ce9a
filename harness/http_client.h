// One POST after another to one HTTP or HTTPS server, by libcurl: bounded in time and size, and never to another
// server, a proxy included. Nothing is decompressed, so what is held is no more than what was sent.
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
  /// Certificates to trust, PEM, and no others; empty: the system's, or what SSL_CERT_FILE and SSL_CERT_DIR name.
  std::string ca_file;
};

enum class HttpOutcome {
  answered,       ///< status and body are there, whatever the status
  not_connected,  ///< no connection, or no encrypted one
  cut,            ///< the connection ended before the reply did
  malformed,      ///< what came is no HTTP
  timed_out,
  too_large,  ///< more than kMaxReplyBytes of body or kMaxHeaderBytes of headers
  untrusted,  ///< the server's certificate is not vouched for
  bad_ca_file,
  stopped,  ///< stop() was called
};

constexpr std::uint64_t kMaxReplyBytes = std::uint64_t{16} << 20;
/// Of the status line and all headers, with those of interim replies and of trailers; a single line of them may be
/// bounded more narrowly by libcurl.
constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{256} << 10;

struct HttpReply {
  HttpOutcome outcome = HttpOutcome::cut;
  int status = 0;
  std::string retry_after;  ///< the header's value; may be empty
  std::string redirect;     ///< the URL that a redirect names; may be empty
  std::string body;
  std::string detail;  ///< what libcurl says of an outcome other than `answered`
};

/// One line for a reader.
std::string describe_failure(const HttpReply& reply, const HttpOptions& options);

class HttpClient {
 public:
  /// Throws Error when the system's libcurl cannot do what is needed.
  HttpClient(const ServerUrl& url, const HttpOptions& options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// `path` is put behind the URL's. Redirects are not followed. Called by one thread at a time.
  HttpReply post_json(const std::string& path, const std::string& body);

  /// Ends the present request, and every further one at once. By any thread.
  void stop();

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace mathtrap

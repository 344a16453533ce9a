#include "harness/http_client.h"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "harness/socket_watch.h"
#include "support/error.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kLongestUrl = 2000;
constexpr double kConnectTimeout = 30;                       // seconds, or the request's timeout where that is less
constexpr std::uint64_t kOverhead = std::uint64_t{1} << 20;  // bytes of headers and encryption around a reply

std::chrono::microseconds microseconds(double seconds) {
  return std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6));
}

bool is_local(std::string_view host) {
  return host == "localhost" || host.starts_with("127.") || host == "[::1]";
}

/// "host", "host:port", "[::1]:port"; a port is a number from 1 to 65535. Returns the host.
std::optional<std::string_view> host_of(std::string_view authority) {
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return std::nullopt;
  const std::size_t colon = authority.find(':', bracket);
  const std::string_view host = authority.substr(0, colon);
  if (colon != std::string_view::npos) {
    const std::string_view port = authority.substr(colon + 1);
    if (port.empty() || port.size() > 5 || !std::all_of(port.begin(), port.end(), is_digit)) return std::nullopt;
    const int number = std::stoi(std::string(port));
    if (number < 1 || number > 65535) return std::nullopt;
  }
  const auto allowed = [](char c) {
    return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
  };
  return !host.empty() && std::all_of(host.begin(), host.end(), allowed) ? std::optional(host) : std::nullopt;
}

HttpOutcome outcome_of(httplib::Error error) {
  switch (error) {
    case httplib::Error::Connection:
    case httplib::Error::ConnectionTimeout:
    case httplib::Error::BindIPAddress:
    case httplib::Error::SSLConnection:
      return HttpOutcome::not_connected;
    case httplib::Error::SSLServerVerification:
      return HttpOutcome::untrusted;
    case httplib::Error::SSLLoadingCerts:
      return HttpOutcome::bad_ca_file;
    default:
      return HttpOutcome::cut;
  }
}

}  // namespace

ServerUrl parse_server_url(const std::string& url, const std::string& place) {
  const std::size_t scheme = url.starts_with("https://") ? 8 : (url.starts_with("http://") ? 7 : 0);
  if (scheme == 0 || url.size() > kLongestUrl) {
    throw Error(place + ": a URL that begins with http:// or https:// is wanted, such as http://127.0.0.1:8080/v1");
  }
  if (url.find_first_of("@?#") != std::string::npos) {
    throw Error(place + ": the URL may hold no user, password, query or fragment; a key is given in the environment");
  }
  const auto is_plain = [](char c) { return c > ' ' && c < '\x7f'; };
  const std::size_t slash = std::min(url.find('/', scheme), url.size());
  const std::optional<std::string_view> host = host_of(std::string_view(url).substr(scheme, slash - scheme));
  if (!host || !std::all_of(url.begin(), url.end(), is_plain)) {
    throw Error(place + ": the URL names no server; one such as http://127.0.0.1:8080/v1 is wanted");
  }
  ServerUrl parsed{url.substr(0, slash), url.substr(slash), is_local(*host), scheme == 8};
  while (parsed.path.ends_with('/')) parsed.path.pop_back();
  return parsed;
}

std::string describe_failure(const HttpReply& reply, const HttpOptions& options) {
  switch (reply.outcome) {
    case HttpOutcome::answered:
      return fmt::format("HTTP status {}", reply.status);
    case HttpOutcome::not_connected:
      return "no connection";
    case HttpOutcome::cut:
      return "the connection was cut before the reply was whole";
    case HttpOutcome::timed_out:
      return fmt::format("no whole reply within {} s", options.timeout);
    case HttpOutcome::too_large:
      return fmt::format("the reply has more than {} MB", kMaxReplyBytes >> 20);
    case HttpOutcome::untrusted:
      return "the server's certificate is not vouched for; name your own with --ca-file";
    case HttpOutcome::bad_ca_file:
      return options.ca_file.empty() ? "the system's certificates cannot be read; is ca-certificates installed?"
                                     : options.ca_file + ": no certificates can be read there (--ca-file)";
    case HttpOutcome::stopped:
      break;
  }
  return "stopped";
}

struct HttpClient::Implementation {
  Implementation(const ServerUrl& server, HttpOptions http_options)
      : url(server), options(std::move(http_options)), client(server.origin) {
    const double connect = std::min(kConnectTimeout, options.timeout);
    client.set_connection_timeout(microseconds(connect));
    // The watch ends a request in time; these are longer, so that it is the watch that says so.
    client.set_read_timeout(microseconds(2 * options.timeout));
    client.set_write_timeout(microseconds(2 * options.timeout));
    client.set_follow_location(false);
    // A connection for each request: a kept one may be closed by the server just when it is used again.
    client.set_keep_alive(false);
    client.set_decompress(false);
    client.set_tcp_nodelay(true);
    client.set_socket_options([this](socket_t socket) { watch.watch(socket); });
    client.enable_server_certificate_verification(true);
    if (!options.ca_file.empty()) client.set_ca_cert_path(options.ca_file);
  }

  httplib::Request make_request(const std::string& path, const std::string& body) const {
    httplib::Request request;
    request.method = "POST";
    request.path = url.path + path;
    request.headers = {{"Accept", "application/json"},
                       {"Accept-Encoding", "identity"},
                       {"Content-Type", "application/json"},
                       {"User-Agent", "mathtrap"}};
    if (!options.bearer_token.empty()) request.headers.emplace("Authorization", "Bearer " + options.bearer_token);
    request.body = body;
    return request;
  }

  ServerUrl url;
  HttpOptions options;
  SocketWatch watch;
  httplib::Client client;
};

HttpClient::HttpClient(const ServerUrl& url, const HttpOptions& options)
    : implementation_(std::make_unique<Implementation>(url, options)) {}

HttpClient::~HttpClient() = default;

HttpReply HttpClient::post_json(const std::string& path, const std::string& body) {
  Implementation& self = *implementation_;
  HttpReply reply;
  bool too_large = false;
  httplib::Request request = self.make_request(path, body);
  request.content_receiver = [&](const char* data, std::size_t length, std::uint64_t, std::uint64_t) {
    too_large = reply.body.size() + length > kMaxReplyBytes;
    if (!too_large) reply.body.append(data, length);
    return !too_large;
  };
  self.watch.begin(SocketWatch::Clock::now() + microseconds(self.options.timeout), kMaxReplyBytes + kOverhead);
  const httplib::Result result = self.client.send(request);
  const CutReason cut = self.watch.end();
  if (cut == CutReason::stopped) {
    reply.outcome = HttpOutcome::stopped;
  } else if (too_large || cut == CutReason::too_large) {
    reply.outcome = HttpOutcome::too_large;
  } else if (cut == CutReason::timed_out) {
    reply.outcome = HttpOutcome::timed_out;
  } else if (!result) {
    reply.outcome = outcome_of(result.error());
  } else {
    reply.outcome = HttpOutcome::answered;
    reply.status = result->status;
    reply.retry_after = result->get_header_value("Retry-After");
  }
  return reply;
}

void HttpClient::check_bounds() {
  implementation_->watch.check(SocketWatch::Clock::now());
}

void HttpClient::stop() {
  implementation_->watch.stop();
}

}  // namespace mathtrap

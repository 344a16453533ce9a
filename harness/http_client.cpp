#include "harness/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <utility>

#include "support/error.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kLongestUrl = 2000;
constexpr double kConnectTimeout = 30;   // seconds, or the request's timeout where that is less
constexpr int kPollMilliseconds = 1000;  // a stop wakes the poll earlier

long milliseconds(double seconds) {
  return std::max(1L, static_cast<long>(seconds * 1e3));
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct CloseEasy {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct CloseMulti {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

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
      return fmt::format("no connection ({})", reply.detail);
    case HttpOutcome::cut:
      return "the connection was cut before the reply was whole";
    case HttpOutcome::malformed:
      return fmt::format("what came is no HTTP reply ({})", reply.detail);
    case HttpOutcome::timed_out:
      return fmt::format("no whole reply within {} s", options.timeout);
    case HttpOutcome::too_large:
      return fmt::format("the reply has more than {} MB, or its headers more than {} kB", kMaxReplyBytes >> 20,
                         kMaxHeaderBytes >> 10);
    case HttpOutcome::untrusted:
      return fmt::format("the server's certificate is not vouched for ({}); name the one to trust with --ca-file",
                         reply.detail);
    case HttpOutcome::bad_ca_file:
      return fmt::format("no certificates to trust can be read ({}); --ca-file names a PEM file of them", reply.detail);
    case HttpOutcome::stopped:
      break;
  }
  return "stopped";
}

struct HttpClient::Implementation {
  Implementation(ServerUrl server, HttpOptions http_options);

  template <typename Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(easy.get(), option, value);
    if (code != CURLE_OK) throw Error(fmt::format("libcurl cannot do what is needed: {}", curl_easy_strerror(code)));
  }
  void set_certificates();
  void add_header(const std::string& header);
  CURLcode perform();
  HttpOutcome outcome_of(CURLcode code);
  bool has_connected();
  std::string detail_of(CURLcode code) const;
  /// curl's callbacks. Fewer bytes than were given end the transfer.
  static std::size_t take_body(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t take_header(char* data, std::size_t size, std::size_t count, void* self);

  ServerUrl url;
  HttpOptions options;
  HeaderList headers;
  std::unique_ptr<CURL, CloseEasy> easy;
  std::unique_ptr<CURLM, CloseMulti> multi;  // of one transfer: a multi handle can be woken by another thread
  std::array<char, CURL_ERROR_SIZE> error{};
  std::atomic<bool> stopped{false};
  // Of the present request:
  HttpReply reply;
  std::uint64_t header_bytes = 0;
  bool too_large = false;
};

HttpClient::Implementation::Implementation(ServerUrl server, HttpOptions http_options)
    : url(std::move(server)), options(std::move(http_options)) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  easy.reset(curl_easy_init());
  multi.reset(curl_multi_init());
  if (started != CURLE_OK || !easy || !multi) throw Error("libcurl cannot be started");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_ERRORBUFFER, error.data());
  set(CURLOPT_PROTOCOLS_STR, url.encrypted ? "https" : "http");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");  // the environment's proxies would see the key of an http:// URL
  // A connection for each request: a kept one may be closed by the server just when it is used again.
  set(CURLOPT_FORBID_REUSE, 1L);
  set(CURLOPT_TIMEOUT_MS, milliseconds(options.timeout));
  set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(std::min(kConnectTimeout, options.timeout)));
  set(CURLOPT_QUICK_EXIT, 1L);  // a name that is slow to resolve does not hold up a stop
  set(CURLOPT_WRITEFUNCTION, &take_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(CURLOPT_HEADERFUNCTION, &take_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set_certificates();
  // "Expect:" takes out a header that curl adds to long bodies, and that servers make a wait of.
  for (const char* header : {"Accept: application/json", "Accept-Encoding: identity", "Content-Type: application/json",
                             "User-Agent: mathtrap", "Expect:"}) {
    add_header(header);
  }
  if (!options.bearer_token.empty()) add_header(fmt::format("Authorization: Bearer {}", options.bearer_token));
  set(CURLOPT_HTTPHEADER, headers.get());
}

void HttpClient::Implementation::set_certificates() {
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.ca_file.empty()) {
    set(CURLOPT_CAINFO, options.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    return;
  }
  // What OpenSSL's own programs and curl's look at; the library leaves it to its caller.
  if (const std::string file = environment("SSL_CERT_FILE"); !file.empty()) set(CURLOPT_CAINFO, file.c_str());
  if (const std::string folder = environment("SSL_CERT_DIR"); !folder.empty()) set(CURLOPT_CAPATH, folder.c_str());
}

void HttpClient::Implementation::add_header(const std::string& header) {
  curl_slist* longer = curl_slist_append(headers.get(), header.c_str());
  if (longer == nullptr) throw Error("libcurl has no memory for a header");
  static_cast<void>(headers.release());  // the longer list holds it
  headers.reset(longer);
}

std::size_t HttpClient::Implementation::take_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& client = *static_cast<Implementation*>(self);
  const std::size_t length = size * count;
  if (client.reply.body.size() + length > kMaxReplyBytes) {
    client.too_large = true;
    return 0;
  }
  client.reply.body.append(data, length);
  return length;
}

/// Counts the headers of interim replies and trailers too: these may come without end.
std::size_t HttpClient::Implementation::take_header(char*, std::size_t size, std::size_t count, void* self) {
  auto& client = *static_cast<Implementation*>(self);
  client.header_bytes += size * count;
  client.too_large = client.too_large || client.header_bytes > kMaxHeaderBytes;
  return client.too_large ? 0 : size * count;
}

/// CURLE_ABORTED_BY_CALLBACK when it was stopped before it was over.
CURLcode HttpClient::Implementation::perform() {
  CURLcode code = CURLE_ABORTED_BY_CALLBACK;
  if (curl_multi_add_handle(multi.get(), easy.get()) != CURLM_OK) return CURLE_FAILED_INIT;
  for (int running = 1; running != 0 && !stopped;) {
    if (curl_multi_perform(multi.get(), &running) != CURLM_OK) break;
    if (running != 0) curl_multi_poll(multi.get(), nullptr, 0, kPollMilliseconds, nullptr);
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
    if (message->msg == CURLMSG_DONE) code = message->data.result;
  }
  curl_multi_remove_handle(multi.get(), easy.get());
  return code;
}

bool HttpClient::Implementation::has_connected() {
  curl_off_t connected = 0;
  curl_easy_getinfo(easy.get(), url.encrypted ? CURLINFO_APPCONNECT_TIME_T : CURLINFO_CONNECT_TIME_T, &connected);
  return connected != 0;
}

HttpOutcome HttpClient::Implementation::outcome_of(CURLcode code) {
  if (too_large) return HttpOutcome::too_large;
  switch (code) {
    case CURLE_OK:
      return HttpOutcome::answered;
    case CURLE_ABORTED_BY_CALLBACK:
      return HttpOutcome::stopped;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
      return HttpOutcome::not_connected;
    case CURLE_OPERATION_TIMEDOUT:
      return has_connected() ? HttpOutcome::timed_out : HttpOutcome::not_connected;
    case CURLE_PEER_FAILED_VERIFICATION:
      return HttpOutcome::untrusted;
    case CURLE_SSL_CACERT_BADFILE:
      return HttpOutcome::bad_ca_file;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return HttpOutcome::cut;
    case CURLE_OUT_OF_MEMORY:  // what curl 7 calls a line of the header that is over its bound of 100 kB
      return HttpOutcome::too_large;
    default:
      return HttpOutcome::malformed;
  }
}

/// On one line, for some of it may come from the server.
std::string HttpClient::Implementation::detail_of(CURLcode code) const {
  std::string detail = error.front() != '\0' ? error.data() : curl_easy_strerror(code);
  std::replace_if(
      detail.begin(), detail.end(), [](unsigned char c) { return c < ' ' || c >= '\x7f'; }, '?');
  return detail;
}

HttpClient::HttpClient(const ServerUrl& url, const HttpOptions& options)
    : implementation_(std::make_unique<Implementation>(url, options)) {}

HttpClient::~HttpClient() = default;

HttpReply HttpClient::post_json(const std::string& path, const std::string& body) {
  Implementation& self = *implementation_;
  self.reply = {};
  self.header_bytes = 0;
  self.too_large = false;
  self.error.front() = '\0';
  self.set(CURLOPT_URL, (self.url.origin + self.url.path + path).c_str());
  self.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  self.set(CURLOPT_POSTFIELDS, body.c_str());
  const CURLcode code = self.perform();
  HttpReply reply = std::move(self.reply);
  reply.outcome = self.outcome_of(code);
  if (reply.outcome != HttpOutcome::answered) {
    reply.detail = self.detail_of(code);
    return reply;
  }
  long status = 0;
  curl_easy_getinfo(self.easy.get(), CURLINFO_RESPONSE_CODE, &status);
  reply.status = static_cast<int>(status);
  curl_header* header = nullptr;
  if (curl_easy_header(self.easy.get(), "Retry-After", 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
    reply.retry_after = header->value;
  }
  const char* location = nullptr;
  curl_easy_getinfo(self.easy.get(), CURLINFO_REDIRECT_URL, &location);
  if (location != nullptr) reply.redirect = location;
  return reply;
}

void HttpClient::stop() {
  implementation_->stopped = true;
  curl_multi_wakeup(implementation_->multi.get());
}

}  // namespace mathtrap

// Servers that send what no client should have to read, and certificates that are not vouched for.
#include <fmt/format.h>
#include <httplib.h>

#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "harness/http_client.h"
#include "harness/openai_model.h"
#include "support/error.h"
#include "support/log.h"
#include "tests/catch.h"
#include "tests/harness/raw_server.h"
#include "tests/harness/records.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

const std::string kHead = "HTTP/1.1 200 OK\r\n";

HttpReply post(const std::string& url, const HttpOptions& options = {}) {
  HttpClient client(parse_server_url(url, "test"), options);
  return client.post_json("/chat/completions", "{}");
}

/// What a client makes of a server that answers so.
HttpReply reply_to(const std::function<void(const RawServer::Send&)>& answer, double timeout = 60) {
  const RawServer server(answer);
  HttpOptions options;
  options.timeout = timeout;
  return post(server.url(), options);
}

HttpReply reply_to(const std::string& bytes) {
  return reply_to([&](const RawServer::Send& send) { send(bytes); });
}

/// `begin`, then `rest` without end.
HttpReply reply_to_endless(const std::string& begin, const std::string& rest, double timeout = 60) {
  std::string many;
  while (many.size() < 65536) many += rest;
  return reply_to(
      [&](const RawServer::Send& send) {
        if (!send(begin)) return;
        while (send(many)) {
        }
      },
      timeout);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A certificate for itself, and its key, made by openssl.
struct Certificate {
  explicit Certificate(const std::string& subject_alternative_name)
      : folder(fresh_path("certificate-" + subject_alternative_name.substr(0, 3))) {
    fs::create_directories(folder);
    const std::string command = fmt::format(
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=test -addext subjectAltName={} -days 2 "
        "-keyout {} -out {} 2>{}",
        subject_alternative_name, key(), file(), (folder / "log").string());
    if (std::system(command.c_str()) != 0) throw std::runtime_error(read_file(folder / "log"));
  }
  std::string file() const { return (folder / "certificate.pem").string(); }
  std::string key() const { return (folder / "key.pem").string(); }

  fs::path folder;
};

class TlsServer {
 public:
  explicit TlsServer(const Certificate& certificate) : server_(certificate.file().c_str(), certificate.key().c_str()) {
    server_.Post(".*", [](const httplib::Request&, httplib::Response& response) {
      response.set_content(R"({"choices":[{"text":"4","finish_reason":"stop"}]})", "application/json");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~TlsServer() {
    server_.stop();
    thread_.join();
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  std::string url() const { return fmt::format("https://127.0.0.1:{}/v1", port_); }

 private:
  httplib::SSLServer server_;
  std::thread thread_;
  int port_ = 0;
};

/// A variable of the environment, while it lives.
struct Variable {
  Variable(std::string variable, const std::string& value) : name(std::move(variable)) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Variable() { ::unsetenv(name.c_str()); }

  std::string name;
};

/// The one completion, or the error that ended everything.
std::string answer_of(const std::string& name, const OpenAiOptions& options) {
  std::string text;
  try {
    const std::vector<GenerationRequest> requests = {{"2 + 2", {}}};
    open_openai_model(name, options)->answer(requests, [&](std::size_t, const Completion& completion) {
      text = completion.finish_reason == FinishReason::error ? completion.error : completion.text;
      return true;
    });
  } catch (const Error& error) {
    text = error.what();
  }
  return text;
}

OpenAiOptions once() {
  set_quiet(true);
  OpenAiOptions options;
  options.api = OpenAiApi::completions;
  options.retries.max_retries = 0;
  return options;
}

}  // namespace

TEST_CASE("a reply is read whole, with its status and headers, in one piece or in chunks") {
  const HttpReply whole = reply_to("HTTP/1.1 429 Slow Down\r\nRETRY-AFTER:  7\r\nContent-Length: 3\r\n\r\nabcdef");
  CHECK(whole.outcome == HttpOutcome::answered);
  CHECK(whole.status == 429);
  CHECK(whole.retry_after == "7");
  CHECK(whole.body == "abc");
  const HttpReply chunked = reply_to(kHead + "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  CHECK(chunked.outcome == HttpOutcome::answered);
  CHECK(chunked.body == "abcde");
  CHECK(reply_to("HTTP/1.1 100 Continue\r\n\r\n" + kHead + "\r\nto the end").body == "to the end");
}

TEST_CASE("a status line and headers without measure are given up, not held") {
  const std::string long_text(300 << 10, 'A');
  CHECK(reply_to("HTTP/1.1 200 " + long_text + "\r\n\r\n{}").outcome == HttpOutcome::too_large);
  CHECK(reply_to(kHead + "X: " + long_text + "\r\n\r\n{}").outcome == HttpOutcome::too_large);
  CHECK(reply_to_endless(kHead, "X: y\r\n").outcome == HttpOutcome::too_large);
  CHECK(reply_to_endless("", "HTTP/1.1 100 Continue\r\n\r\n").outcome == HttpOutcome::too_large);
  CHECK(reply_to_endless(kHead + "Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n").outcome ==
        HttpOutcome::too_large);
  // Half a measure is none too much.
  const std::string headers = fmt::format("{}X: {}\r\nY: {}\r\n", kHead, long_text.substr(0, 60000), "y");
  CHECK(reply_to(headers + "Content-Length: 2\r\n\r\n{}").body == "{}");
}

TEST_CASE("a body without end is given up at its bound, whatever its form") {
  const std::string chunk = fmt::format("{:x}\r\n{}\r\n", 60000, std::string(60000, 'x'));
  CHECK(reply_to_endless(kHead + "Transfer-Encoding: chunked\r\n\r\n", chunk).outcome == HttpOutcome::too_large);
  CHECK(reply_to_endless(kHead + "\r\n", "x").outcome == HttpOutcome::too_large);
  CHECK(reply_to_endless(kHead + "Content-Length: 99999999999999\r\n\r\n", "x").outcome == HttpOutcome::too_large);
}

TEST_CASE("a little that is sent compressed cannot become a lot") {
  // 100 kB of zeros, as gzip -9 has them.
  std::string bomb(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xed\xc1\x31\x01\x00\x00\x00\xc2\xa0\xf5\x4f\x6d\x0d\x0f\xa0", 25);
  bomb.append(96, '\0').append("\x80\x57\x03\x7d\x95\x11\xd4\xa0\x86\x01\x00", 11);
  const std::string head = fmt::format("{}Content-Length: {}\r\n", kHead, bomb.size());
  for (const char* encoding : {"gzip", "deflate", "br", "gzip, gzip"}) {
    const HttpReply reply = reply_to(fmt::format("{}Content-Encoding: {}\r\n\r\n{}", head, encoding, bomb));
    CHECK(reply.outcome == HttpOutcome::answered);
    CHECK(reply.body == bomb);
  }
  // A transfer is unpacked. Each further zero stands for 1032 others: these are 20 MB.
  bomb.insert(30, 20000, '\0');
  CHECK(reply_to(kHead + "Transfer-Encoding: gzip\r\n\r\n" + bomb).outcome == HttpOutcome::too_large);
}

TEST_CASE("what is no HTTP, cut or late is told apart") {
  CHECK(reply_to("").outcome == HttpOutcome::cut);
  CHECK(reply_to(kHead + "Content-Length: 10\r\n\r\nabc").outcome == HttpOutcome::cut);
  CHECK(reply_to(kHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nabc").outcome == HttpOutcome::cut);
  for (const std::string& bytes :
       {std::string("SSH-2.0-OpenSSH_9.2\r\n"), std::string("HTTP/9.9 200 OK\r\n\r\n{}"),
        kHead + "X: a" + std::string(1, '\0') + "b\r\n\r\n{}", kHead + "Content-Length: -5\r\n\r\n{}"}) {
    CAPTURE(bytes);
    CHECK(reply_to(bytes).outcome == HttpOutcome::malformed);
  }
  const auto trickle = [](const RawServer::Send& send) {
    send(kHead + "Content-Length: 100000\r\n\r\n");
    while (send("x")) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  };
  CHECK(reply_to(trickle, 0.3).outcome == HttpOutcome::timed_out);
  CHECK(reply_to_endless(kHead + "Transfer-Encoding: chunked\r\n\r\n5;", "x", 0.3).outcome == HttpOutcome::timed_out);
}

TEST_CASE("replies of no use end a request with a line that says what came") {
  const auto answer = [](const std::string& bytes) {
    const RawServer server([&](const RawServer::Send& send) { send(bytes); });
    return answer_of(fmt::format("openai:{}#m", server.url()), once());
  };
  const std::string long_text(300 << 10, 'A');
  CHECK(contains(answer("HTTP/1.1 200 " + long_text + "\r\n\r\n{}"), "its headers more than 256 kB"));
  CHECK(contains(answer(kHead + "\r\n<!doctype html><p>Log in"), "a web page, not JSON"));
  CHECK(contains(answer("SSH-2.0-OpenSSH_9.2\r\n"), "what came is no HTTP reply"));
  CHECK(contains(answer("HTTP/1.1 403 Forbidden\r\n\r\n<html>blocked"), "refuses access (HTTP status 403)"));
  const std::string moved =
      answer("HTTP/1.1 308 Moved\r\nLocation: https://elsewhere.test/v1/completions?token=passw0rd\r\n\r\n");
  CHECK(contains(moved, "redirects to https://elsewhere.test/v1/completions (HTTP status 308)"));
  const std::string missing = answer("HTTP/1.1 404 Not Found\r\n\r\n{\"error\":{\"message\":\"no such model\"}}");
  CHECK(contains(missing, "/v1/completions: the server has no such address or no model \"m\""));
  CHECK(contains(missing, "no such model)"));
}

TEST_CASE("a certificate is believed when it is vouched for, and for its own host alone") {
  const Certificate certificate("IP:127.0.0.1");
  const TlsServer server(certificate);
  const std::string name = fmt::format("openai:{}#m", server.url());
  OpenAiOptions options = once();
  const std::string refused = answer_of(name, options);
  CHECK(contains(refused, server.url() + ": the server's certificate is not vouched for"));
  CHECK(contains(refused, "--ca-file"));
  CHECK(refused.find('\n') == std::string::npos);
  {
    const Variable variable("SSL_CERT_FILE", certificate.file());
    CHECK(answer_of(name, options) == "4");
  }
  options.ca_file = certificate.file();
  CHECK(answer_of(name, options) == "4");
  options.ca_file = certificate.key();
  CHECK(contains(answer_of(name, options), "no certificates to trust can be read"));
  options.ca_file = "/no/such/file.pem";
  CHECK(contains(answer_of(name, options), "/no/such/file.pem"));

  const Certificate of_another("DNS:elsewhere.test");
  const TlsServer impostor(of_another);
  options.ca_file = of_another.file();
  CHECK(contains(answer_of(fmt::format("openai:{}#m", impostor.url()), options), "not vouched for"));
}

TEST_CASE("an encrypted and a plain server are not taken for each other") {
  const RawServer plain([](const RawServer::Send& send) { send(kHead + "\r\n{}"); });
  std::string url = plain.url();
  url.insert(4, "s");
  CHECK(post(url).outcome == HttpOutcome::not_connected);
  const Certificate certificate("IP:127.0.0.1");
  const TlsServer server(certificate);
  url = server.url();
  url.erase(4, 1);
  CHECK(post(url).outcome != HttpOutcome::answered);
}

TEST_CASE("a request that is stopped ends, and so does every further one") {
  std::atomic<bool> asked{false};
  const RawServer server([&](const RawServer::Send& send) {
    asked = send(kHead + "Content-Length: 1000000\r\n\r\n");
    while (send(" ")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  HttpOptions options;
  options.timeout = 600;
  HttpClient client(parse_server_url(server.url(), "test"), options);
  std::thread stopper([&] {
    while (!asked) std::this_thread::yield();
    client.stop();
  });
  CHECK(client.post_json("", "{}").outcome == HttpOutcome::stopped);
  stopper.join();
  CHECK(client.post_json("", "{}").outcome == HttpOutcome::stopped);
}

TEST_CASE("the environment's proxies are not asked") {
  const RawServer proxy([](const RawServer::Send& send) { send(kHead + "\r\nproxied"); });
  const RawServer server([](const RawServer::Send& send) { send(kHead + "\r\ndirect"); });
  const Variable http("http_proxy", proxy.url());
  const Variable all("ALL_PROXY", proxy.url());
  CHECK(post(server.url()).body == "direct");
}

// A model behind an OpenAI-compatible server: several requests at once, repeated when they fail in passing.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "harness/models_under_test.h"
#include "harness/openai_protocol.h"
#include "harness/retry.h"

namespace mathtrap {

struct OpenAiOptions {
  OpenAiApi api = OpenAiApi::chat;
  int max_connections = 10;
  double request_timeout = 600;  ///< seconds for one request, from its beginning to the last byte of its reply
  RetryPolicy retries;
  std::string api_key_env;  ///< the variable that holds the key; empty: OPENAI_API_KEY, which may be unset
  std::string ca_file;      ///< PEM; empty: the system's certificates, or those that SSL_CERT_FILE names
  /// In place of waiting before a retry, for tests: seconds. Called by several threads.
  std::function<void(double seconds)> wait = {};
};

/// A name begins with "openai:".
bool is_openai_name(const std::string& name);
/// Throws Error when `name` is not "openai:URL#NAME" (see parse_server_url).
void check_openai_name(const std::string& name);

/// The key is read now, goes into the Authorization header and nowhere else: where a server's text repeats it, "[key]"
/// stands. Replies are given as they come, by the calling thread. Once `on_completion` returns false or the program is
/// interrupted, requests under way are dropped, and replies that had come by then are still given.
/// Requests that fail in passing (is_passing_status, no connection, cut, late, too large, not the JSON wanted) are
/// repeated as the policy says. A request that stays without a reply is a Completion with FinishReason::error.
/// Answering throws Error at once, after giving the replies that have come, on 401 and 403, on 404 and 405, on a
/// redirect, on a certificate that is not vouched for, and when the first ten requests (or all, if they are fewer)
/// cannot connect. Opening throws Error when an option is out of its range or the key's variable is not set.
std::unique_ptr<ModelUnderTest> open_openai_model(const std::string& name, const OpenAiOptions& options);

}  // namespace mathtrap

// When a request that did not succeed is sent again, and how long to wait before that.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mathtrap {

struct RetryPolicy {
  int max_retries = 5;               ///< a request is sent at most once more than this
  double first_wait = 1;             ///< seconds, before the first retry; doubled for each further one
  double longest_wait = 60;          ///< seconds; what the doubling stops at
  double longest_retry_after = 300;  ///< seconds; a server that asks for more is asked again after these
};

/// HTTP statuses that may pass: 408, 409, 425, 429 and all of 500 to 599.
bool is_passing_status(int status);

/// Seconds before retry number `attempt` (from 0): exponential back-off, of which a part between a half and the whole
/// is waited, drawn by `seed` and `attempt`; never less than what the server asked for, within the policy's bound.
double retry_wait(const RetryPolicy& policy, int attempt, std::uint64_t seed, std::optional<double> retry_after);

/// The value of a Retry-After header (RFC 9110, 10.2.3) in seconds from `now` (seconds since 1970, UTC): a number of
/// seconds or an HTTP date; 0 for a date that has passed. Nothing when it is neither.
std::optional<double> parse_retry_after(std::string_view value, std::int64_t now);

}  // namespace mathtrap

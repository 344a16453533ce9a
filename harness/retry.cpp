#include "harness/retry.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <string>

#include "support/random.h"
#include "support/text.h"

namespace mathtrap {
namespace {

constexpr std::size_t kLongestValue = 64;  // bytes; dates have 29

std::optional<int> digits(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || !is_digit(text.front()) || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<unsigned> month_number(std::string_view name) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto* const found = std::find(kMonths.begin(), kMonths.end(), name);
  if (found == kMonths.end()) return std::nullopt;
  return static_cast<unsigned>(found - kMonths.begin()) + 1;
}

/// "Sun, 06 Nov 1994 08:49:37 GMT", the form that RFC 9110 has servers send; in seconds since 1970. The day of the week
/// is not looked at.
std::optional<std::int64_t> parse_http_date(std::string_view text) {
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") return std::nullopt;
  const auto day = digits(text.substr(5, 2));
  const auto month = month_number(text.substr(8, 3));
  const auto year = digits(text.substr(12, 4));
  const auto hour = digits(text.substr(17, 2));
  const auto minute = digits(text.substr(20, 2));
  const auto second = digits(text.substr(23, 2));
  if (!day || !month || !year || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year), std::chrono::month(*month),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((std::int64_t{days} * 24 + *hour) * 60 + *minute) * 60 + *second;
}

}  // namespace

bool is_passing_status(int status) {
  return status == 408 || status == 409 || status == 425 || status == 429 || (status >= 500 && status <= 599);
}

double retry_wait(const RetryPolicy& policy, int attempt, std::uint64_t seed, std::optional<double> retry_after) {
  const double whole = std::min(policy.longest_wait, std::ldexp(policy.first_wait, std::clamp(attempt, 0, 60)));
  Random random(seed, "retry " + std::to_string(attempt));
  const double wait = whole * (0.5 + 0.5 * random.uniform());
  return std::max(wait, std::min(retry_after.value_or(0), policy.longest_retry_after));
}

std::optional<double> parse_retry_after(std::string_view value, std::int64_t now) {
  const std::string_view text = trim_blanks(value);
  if (text.empty() || text.size() > kLongestValue) return std::nullopt;
  if (std::all_of(text.begin(), text.end(), is_digit)) return std::stod(std::string(text));
  const std::optional<std::int64_t> date = parse_http_date(text);
  if (!date) return std::nullopt;
  return static_cast<double>(std::max<std::int64_t>(0, *date - now));
}

}  // namespace mathtrap

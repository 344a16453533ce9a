// Functions that every template can call.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "prompts/jinja/builtins.h"

namespace mathtrap::jinja {
namespace {

constexpr std::array<std::string_view, 5> kFunctions = {"dict", "namespace", "raise_exception", "range",
                                                        "strftime_now"};

Value make_range(const Arguments& arguments, Work& work) {
  const auto bound = bind_arguments(arguments, {"start", "stop", "step"}, "range");
  if (bound[0] == nullptr) throw Failure("range wants a number");
  const auto number = [](const Value* value, std::int64_t absent) {
    return value == nullptr ? absent : integer_of(*value, "range");
  };
  const std::int64_t begin = bound[1] == nullptr ? 0 : number(bound[0], 0);
  const std::int64_t end = number(bound[1] == nullptr ? bound[0] : bound[1], 0);
  const std::int64_t step = number(bound[2], 1);
  constexpr std::int64_t kMost = 100000;  // Jinja2's sandbox has the same bound
  if (step == 0) throw Failure("range with a step of 0");
  if (std::max({std::abs(begin / 2), std::abs(end / 2), std::abs(step / 2)}) > (std::int64_t{1} << 60)) {
    throw Failure("range of numbers too large");
  }
  std::vector<Value> numbers;
  for (std::int64_t i = begin; step > 0 ? i < end : i > end; i += step) {
    work.charge(16);
    numbers.push_back(make_integer(i));
    if (static_cast<std::int64_t>(numbers.size()) > kMost) throw Failure("range of more than 100000 numbers");
  }
  return make_list(std::move(numbers));
}

/// Two digits of a date "YYYY-MM-DD".
int digits(const std::string& date, std::size_t at, std::size_t size) {
  int number = 0;
  std::from_chars(date.data() + at, date.data() + at + size, number);
  return number;
}

/// Noon of the day.
std::tm noon_of(const std::string& date) {
  std::tm time{};
  time.tm_year = digits(date, 0, 4) - 1900;
  time.tm_mon = digits(date, 5, 2) - 1;
  time.tm_mday = digits(date, 8, 2);
  time.tm_hour = 12;
  timegm(&time);  // the days of week and year
  return time;
}

Value format_date(const Arguments& arguments, const std::string& date) {
  static constexpr std::string_view kSupported = "aAbBdeHIjmMpSyY%";
  const auto bound = bind_arguments(arguments, {"format"}, "strftime_now");
  const std::string* format = bound[0] == nullptr ? nullptr : text_of(*bound[0]);
  if (format == nullptr) throw Failure("strftime_now wants a str");
  const std::tm time = noon_of(date);
  std::string text;
  for (std::size_t i = 0; i < format->size(); ++i) {
    if ((*format)[i] != '%') {
      text += (*format)[i];
      continue;
    }
    const char kind = i + 1 < format->size() ? (*format)[++i] : '\0';
    if (kind == '\0' || kSupported.find(kind) == kSupported.npos) {
      throw Failure(fmt::format("strftime_now: the format \"%{}\" is not supported", kind));
    }
    const char single[] = {'%', kind, '\0'};
    std::array<char, 64> part{};
    text.append(part.data(), std::strftime(part.data(), part.size(), single, &time));
  }
  return make_text(std::move(text));
}

}  // namespace

bool is_function(std::string_view name) {
  return std::find(kFunctions.begin(), kFunctions.end(), name) != kFunctions.end();
}

Value call_function(std::string_view name, const Arguments& arguments, const std::string& date, Work& work) {
  if (name == "range") return make_range(arguments, work);
  if (name == "strftime_now") return format_date(arguments, date);
  if (name == "raise_exception") {
    const auto bound = bind_arguments(arguments, {"message"}, name);
    throw Failure(fmt::format("the template refuses this conversation: {}",
                              bound[0] == nullptr ? "no reason given" : to_text(*bound[0])));
  }
  if (!arguments.positional.empty()) throw Failure(fmt::format("{} of other values is not supported", name));
  if (name == "dict") return make_mapping(arguments.named);
  const auto made = std::make_shared<Namespace>();
  for (const auto& [key, value] : arguments.named) {
    if (namespace_of(value) != nullptr) throw Failure("a namespace inside of another value is not supported");
    made->attributes[key] = value;
  }
  return {made};
}

}  // namespace mathtrap::jinja

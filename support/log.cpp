#include "support/log.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdio>

namespace mathtrap {
namespace {

std::atomic<bool> quiet_setting{false};

}  // namespace

void set_quiet(bool quiet) {
  quiet_setting = quiet;
}
bool is_quiet() {
  return quiet_setting;
}

void note(std::string_view text) {
  if (!is_quiet()) fmt::print(stderr, "{}\n", text);
}

void warn(std::string_view text) {
  fmt::print(stderr, "warning: {}\n", text);
}

}  // namespace mathtrap

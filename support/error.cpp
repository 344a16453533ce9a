#include "support/error.h"

#include <algorithm>

namespace mathtrap {
namespace {

constexpr std::size_t kMaxMessageBytes = 1000;

/// Names from hostile files stand in messages: a message stays one line of bearable length.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  if (text.size() > kMaxMessageBytes) text = text.substr(0, kMaxMessageBytes) + "...";
  return text;
}

}  // namespace

std::string describe(const Place& place, const std::string& message) {
  std::string text = place.file;
  if (place.line != 0) text += (text.empty() ? "line " : ":") + std::to_string(place.line);
  if (!text.empty()) text += ": ";
  if (!place.field.empty()) text += place.field + ": ";
  return one_line(text + message);
}

void fail(const Place& place, const std::string& message) {
  throw Error(describe(place, message));
}

}  // namespace mathtrap

#include "support/error.h"

namespace mathtrap {

std::string describe(const Place& place, const std::string& message) {
  std::string text = place.file;
  if (place.line != 0) text += (text.empty() ? "line " : ":") + std::to_string(place.line);
  if (!text.empty()) text += ": ";
  if (!place.field.empty()) text += place.field + ": ";
  return text + message;
}

void fail(const Place& place, const std::string& message) { throw Error(describe(place, message)); }

}  // namespace mathtrap

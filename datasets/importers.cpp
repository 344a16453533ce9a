#include "datasets/importers.h"

#include <fmt/format.h>

#include <cctype>

namespace mathtrap {

std::string topic_of_category(std::string_view category) {
  constexpr std::string_view kPrefix = "math_";
  std::string topic;
  for (const char c : category) {
    if (c == '&') {
      topic += "and";
    } else {
      topic += c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return topic.starts_with(kPrefix) ? topic.substr(kPrefix.size()) : topic;
}

std::string imported_text(const Json& object, const std::string& field, const Place& place) {
  const std::string text = json_string(object, field, place);
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) fail(place, fmt::format("the field \"{}\" is empty", field));
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace mathtrap

#include "model/scheduler/reply_text.h"

#include <algorithm>
#include <cstdint>

namespace mathtrap {
namespace {

/// What may follow a lead byte (Unicode 15, table 3-7).
struct Form {
  std::size_t length = 0;  ///< bytes in all; 0: no lead byte
  std::uint8_t lowest = 0x80;
  std::uint8_t highest = 0xBF;  ///< of the second byte
};

Form form_of(std::uint8_t lead) {
  if (lead < 0x80) return {1};
  if (lead >= 0xC2 && lead <= 0xDF) return {2};
  if (lead == 0xE0) return {3, 0xA0};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {3};
  if (lead == 0xF0) return {4, 0x90};
  if (lead >= 0xF1 && lead <= 0xF3) return {4};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {};
}

/// Bytes at the front of `text` that begin a character rightly, and whether they complete it.
struct Character {
  std::size_t bytes = 0;
  bool complete = false;
};

Character first_character(std::string_view text) {
  const Form form = form_of(static_cast<std::uint8_t>(text.front()));
  if (form.length == 0) return {1, false};
  for (std::size_t i = 1; i < form.length; ++i) {
    const std::uint8_t lowest = i == 1 ? form.lowest : 0x80;
    const std::uint8_t highest = i == 1 ? form.highest : 0xBF;
    if (i == text.size()) return {i, false};
    const auto byte = static_cast<std::uint8_t>(text[i]);
    if (byte < lowest || byte > highest) return {i, false};
  }
  return {form.length, true};
}

}  // namespace

std::size_t find_stop(std::string_view text, std::size_t known, std::span<const std::string> stops) {
  std::size_t first = text.npos;
  for (const std::string& stop : stops) {
    const std::size_t from = known < stop.size() ? 0 : known - stop.size() + 1;
    first = std::min(first, text.find(stop, from));
  }
  return first;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const Character character = first_character(text);
    result.append(character.complete ? text.substr(0, character.bytes) : "\uFFFD");
    text.remove_prefix(character.bytes);
  }
  return result;
}

}  // namespace mathtrap

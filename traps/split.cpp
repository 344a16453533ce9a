#include "traps/split.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <string>
#include <utility>

#include "support/error.h"
#include "support/hash.h"

namespace mathtrap {
namespace {

constexpr std::array<std::pair<Split, std::string_view>, 3> kNames = {
    {{Split::train, "train"}, {Split::validation, "validation"}, {Split::test, "test"}}};

Split split_of(std::string_view key) {
  const std::uint64_t bucket = hash64(key) % 100;
  if (bucket < 80) return Split::train;
  return bucket < 90 ? Split::validation : Split::test;
}

}  // namespace

std::string_view to_string(Split split) {
  return kNames.at(static_cast<std::size_t>(split)).second;
}

Split parse_split(std::string_view text) {
  for (const auto& [split, name] : kNames) {
    if (name == text) return split;
  }
  throw Error(fmt::format("'{}' is not a split; use train, validation or test", text));
}

Split split_by_numbers(std::string_view text) {
  std::string key;
  bool in_number = false;
  for (const char c : text) {
    const bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
    if (digit && !in_number) key += ',';
    if (digit) key += c;
    in_number = digit;
  }
  return split_of(key);
}

Split split_by_text(std::string_view text) {
  return split_of(text);
}

}  // namespace mathtrap

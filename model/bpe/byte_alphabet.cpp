#include "model/bpe/byte_alphabet.h"

#include <array>
#include <cstddef>

#include "model/unicode.h"

namespace mathtrap {
namespace {

constexpr std::size_t kBytes = 256;
constexpr char32_t kFirstForUnprintable = 0x100;

constexpr bool is_printable(std::size_t byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char32_t, kBytes> make_characters() {
  std::array<char32_t, kBytes> characters{};
  char32_t next = kFirstForUnprintable;
  for (std::size_t byte = 0; byte < kBytes; ++byte) {
    characters.at(byte) = is_printable(byte) ? static_cast<char32_t>(byte) : next++;
  }
  return characters;
}

constexpr std::array<char32_t, kBytes> kCharacters = make_characters();
constexpr std::size_t kUnprintable = 68;  // bytes that are not themselves

/// Indexed by character; -1: stands for no byte.
constexpr std::array<int, kFirstForUnprintable + kUnprintable> make_bytes() {
  std::array<int, kFirstForUnprintable + kUnprintable> bytes{};
  for (int& byte : bytes) byte = -1;
  for (std::size_t byte = 0; byte < kBytes; ++byte) bytes.at(kCharacters.at(byte)) = static_cast<int>(byte);
  return bytes;
}

constexpr auto kBytesOfCharacters = make_bytes();

}  // namespace

std::optional<std::string> bytes_of_characters(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const CodePoint next = first_code_point(text);
    const int byte = next.value < kBytesOfCharacters.size() ? kBytesOfCharacters.at(next.value) : -1;
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
    text.remove_prefix(next.bytes);
  }
  return bytes;
}

std::string characters_of_bytes(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) append_utf8(text, kCharacters.at(static_cast<unsigned char>(byte)));
  return text;
}

}  // namespace mathtrap

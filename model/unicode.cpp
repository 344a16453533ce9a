#include "model/unicode.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "support/error.h"

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

/// A code point with its canonical combining class.
struct Decomposed {
  char32_t value = 0;
  std::uint8_t combining_class = 0;
};

const UNormalizer2& composer() {
  static const UNormalizer2* const instance = [] {
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2* found = unorm2_getNFCInstance(&status);
    if (U_FAILURE(status) != 0) throw Error("the ICU library has no normalisation data: reinstall libicu");
    return found;
  }();
  return *instance;
}

void append_decomposed(std::vector<Decomposed>& to, char32_t code_point) {
  // The longest canonical decomposition has 4 code points of at most 2 units.
  std::array<UChar, 16> units{};
  UErrorCode status = U_ZERO_ERROR;
  const auto put = [&](char32_t value) {
    to.push_back({value, unorm2_getCombiningClass(&composer(), static_cast<UChar32>(value))});
  };
  const std::int32_t count = unorm2_getDecomposition(&composer(), static_cast<UChar32>(code_point), units.data(),
                                                     static_cast<std::int32_t>(units.size()), &status);
  if (count < 0 || U_FAILURE(status) != 0) {
    put(code_point);
    return;
  }
  for (std::int32_t i = 0; i < count;) {
    UChar32 value = 0;
    U16_NEXT(units.data(), i, count, value);
    put(static_cast<char32_t>(value));
  }
}

/// Sorts each run of combining marks by class, equal ones as they were. ICU's own functions insert them one by one,
/// which takes quadratic time where a text has thousands of marks on one letter.
void order_marks(std::vector<Decomposed>& text) {
  const auto is_mark = [](const Decomposed& item) { return item.combining_class != 0; };
  for (auto begin = std::find_if(text.begin(), text.end(), is_mark); begin != text.end();
       begin = std::find_if(begin, text.end(), is_mark)) {
    const auto end = std::find_if_not(begin, text.end(), is_mark);
    std::stable_sort(begin, end,
                     [](const Decomposed& a, const Decomposed& b) { return a.combining_class < b.combining_class; });
    begin = end;
  }
}

/// Puts marks and letters together where they make one code point (Unicode 15, section 3.11, D117).
std::string composed(const std::vector<Decomposed>& text) {
  constexpr std::size_t kNone = ~std::size_t{0};
  std::vector<Decomposed> result;
  std::size_t starter = kNone;  // the last code point of class 0 in `result`
  for (const Decomposed& item : text) {
    // A mark behind one of the same class or a higher one is blocked from the starter.
    const bool adjacent = starter != kNone && starter + 1 == result.size();
    const bool reaches = starter != kNone && (adjacent || result.back().combining_class < item.combining_class);
    const UChar32 both = reaches ? unorm2_composePair(&composer(), static_cast<UChar32>(result[starter].value),
                                                      static_cast<UChar32>(item.value))
                                 : -1;
    if (both >= 0) {
      result[starter].value = static_cast<char32_t>(both);
      continue;
    }
    if (item.combining_class == 0) starter = result.size();
    result.push_back(item);
  }
  std::string bytes;
  for (const Decomposed& item : result) append_utf8(bytes, item.value);
  return bytes;
}

}  // namespace

std::string replace_invalid_utf8(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const Character character = first_character(text);
    result.append(character.complete ? text.substr(0, character.bytes) : "\uFFFD");
    text.remove_prefix(character.bytes);
  }
  return result;
}

CodePoint first_code_point(std::string_view text) {
  const auto lead = static_cast<std::uint8_t>(text.front());
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = form_of(lead).length;
  // Of a lead byte, the bits behind the ones that count the bytes.
  auto value = static_cast<char32_t>(lead & (0xFFU >> (bytes + 1)));
  for (std::size_t i = 1; i < bytes; ++i) value = (value << 6) | (static_cast<std::uint8_t>(text[i]) & 0x3FU);
  return {value, bytes};
}

void append_utf8(std::string& to, char32_t code_point) {
  const auto put = [&](std::uint32_t byte) { to += static_cast<char>(byte); };
  const auto put_tail = [&](int shift) { put(0x80U | ((code_point >> shift) & 0x3FU)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0U | (code_point >> 6));
    put_tail(0);
  } else if (code_point < 0x10000) {
    put(0xE0U | (code_point >> 12));
    put_tail(6);
    put_tail(0);
  } else {
    put(0xF0U | (code_point >> 18));
    put_tail(12);
    put_tail(6);
    put_tail(0);
  }
}

CharacterClass class_of(char32_t code_point) {
  const auto value = static_cast<UChar32>(code_point);
  const auto mask = static_cast<std::uint32_t>(U_GET_GC_MASK(value));
  if ((mask & U_GC_L_MASK) != 0) return CharacterClass::letter;
  if ((mask & U_GC_N_MASK) != 0) return CharacterClass::number;
  return u_isUWhiteSpace(value) != 0 ? CharacterClass::space : CharacterClass::other;
}

std::string compose_canonically(std::string_view text) {
  // Below U+0300, the first combining mark, whose lead byte is 0xCC, a text is composed already.
  constexpr unsigned char kFirstMark = 0xCC;
  const bool plain = std::all_of(text.begin(), text.end(), [](char byte) {
    const auto value = static_cast<unsigned char>(byte);
    return value < kFirstMark;
  });
  if (plain) return std::string(text);
  std::vector<Decomposed> decomposed;
  decomposed.reserve(text.size());
  while (!text.empty()) {
    const CodePoint next = first_code_point(text);
    append_decomposed(decomposed, next.value);
    text.remove_prefix(next.bytes);
  }
  order_marks(decomposed);
  return composed(decomposed);
}

}  // namespace mathtrap

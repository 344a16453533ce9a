#include "model/bpe/split_pattern.h"

#include <array>

#include "model/unicode.h"

namespace mathtrap {
namespace {

struct KnownRegex {
  std::string_view regex;
  SplitPattern pattern;
};

/// The first of each pattern is the one that is written.
constexpr std::array kKnownRegexes = {
    KnownRegex{R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", SplitPattern::gpt2},
    KnownRegex{R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", SplitPattern::gpt2},
    KnownRegex{
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        SplitPattern::llama3},
    KnownRegex{
        R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        SplitPattern::llama3},
    KnownRegex{
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        SplitPattern::qwen2},
};

/// A text that is read from its front.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) { look(); }

  bool at_end() const { return position_ == text_.size(); }
  std::size_t position() const { return position_; }
  char32_t value() const { return next_.value; }
  CharacterClass kind() const { return kind_; }
  bool at(CharacterClass kind) const { return !at_end() && kind_ == kind; }
  bool at_line_end() const { return !at_end() && (value() == U'\n' || value() == U'\r'); }

  void skip() {
    position_ += next_.bytes;
    look();
  }
  /// Skips a run of one class; the number of code points.
  std::size_t skip_run(CharacterClass kind, std::size_t most = std::string_view::npos) {
    std::size_t count = 0;
    for (; count < most && at(kind); ++count) skip();
    return count;
  }

 private:
  void look() {
    if (at_end()) return;
    next_ = first_code_point(text_.substr(position_));
    kind_ = class_of(next_.value);
  }

  std::string_view text_;
  std::size_t position_ = 0;
  CodePoint next_;
  CharacterClass kind_ = CharacterClass::other;
};

char32_t lower(char32_t letter) {
  constexpr char32_t kLongS = 0x17F;  // "ſ" is an s to an expression that ignores case
  if (letter == kLongS) return U's';
  return letter >= U'A' && letter <= U'Z' ? letter + (U'a' - U'A') : letter;
}

/// Bytes of 's 't 'm 'd 're 've 'll at the front; 0: none of them.
std::size_t match_contraction(std::string_view text, bool ignore_case) {
  Scanner scanner(text);
  if (scanner.value() != U'\'') return 0;
  const auto take = [&] {
    scanner.skip();
    if (scanner.at_end()) return U'\0';
    return ignore_case ? lower(scanner.value()) : scanner.value();
  };
  const char32_t first = take();
  if (first == U's' || first == U't' || first == U'm' || first == U'd') {
    scanner.skip();
    return scanner.position();
  }
  if (first != U'r' && first != U'v' && first != U'l') return 0;
  const char32_t second = take();
  if (second != (first == U'l' ? U'l' : U'e')) return 0;
  scanner.skip();
  return scanner.position();
}

/// \s+(?!\S)|\s+, at a blank: the last blank before a word is left to it, unless it is the only one.
std::size_t match_blanks(std::string_view text) {
  Scanner scanner(text);
  std::size_t last = 0;
  while (scanner.at(CharacterClass::space)) {
    last = scanner.position();
    scanner.skip();
  }
  return scanner.at_end() || last == 0 ? scanner.position() : last;
}

std::size_t match_gpt2(std::string_view text) {
  if (const std::size_t bytes = match_contraction(text, false); bytes != 0) return bytes;
  Scanner scanner(text);
  if (scanner.value() == U' ') scanner.skip();
  if (scanner.at_end() || scanner.at(CharacterClass::space)) return match_blanks(text);
  scanner.skip_run(scanner.kind());
  return scanner.position();
}

/// [^\r\n\p{L}\p{N}]?\p{L}+
std::size_t match_word(std::string_view text) {
  Scanner scanner(text);
  if (scanner.at_line_end() || scanner.at(CharacterClass::number)) return 0;
  if (!scanner.at(CharacterClass::letter)) scanner.skip();
  return scanner.skip_run(CharacterClass::letter) != 0 ? scanner.position() : 0;
}

/// " ?[^\s\p{L}\p{N}]+[\r\n]*"
std::size_t match_punctuation(std::string_view text) {
  Scanner scanner(text);
  if (scanner.value() == U' ') scanner.skip();
  if (scanner.skip_run(CharacterClass::other) == 0) return 0;
  while (scanner.at_line_end()) scanner.skip();
  return scanner.position();
}

/// \s*[\r\n]+: blanks up to the last line end among them.
std::size_t match_line_ends(std::string_view text) {
  std::size_t end = 0;
  for (Scanner scanner(text); scanner.at(CharacterClass::space);) {
    const bool ends_line = scanner.at_line_end();
    scanner.skip();
    if (ends_line) end = scanner.position();
  }
  return end;
}

std::size_t match_llama3(std::string_view text, std::size_t most_digits) {
  if (const std::size_t bytes = match_contraction(text, true); bytes != 0) return bytes;
  if (const std::size_t bytes = match_word(text); bytes != 0) return bytes;
  Scanner scanner(text);
  if (scanner.skip_run(CharacterClass::number, most_digits) != 0) return scanner.position();
  if (const std::size_t bytes = match_punctuation(text); bytes != 0) return bytes;
  if (const std::size_t bytes = match_line_ends(text); bytes != 0) return bytes;
  return match_blanks(text);
}

}  // namespace

std::optional<SplitPattern> find_split_pattern(std::string_view regex) {
  for (const KnownRegex& known : kKnownRegexes) {
    if (known.regex == regex) return known.pattern;
  }
  return std::nullopt;
}

std::string_view regex_of(SplitPattern pattern) {
  for (const KnownRegex& known : kKnownRegexes) {
    if (known.pattern == pattern) return known.regex;
  }
  return {};
}

std::size_t first_match(SplitPattern pattern, std::string_view text) {
  constexpr std::size_t kLlama3Digits = 3;
  switch (pattern) {
    case SplitPattern::gpt2:
      return match_gpt2(text);
    case SplitPattern::llama3:
      return match_llama3(text, kLlama3Digits);
    case SplitPattern::qwen2:
      return match_llama3(text, 1);
  }
  return text.size();
}

}  // namespace mathtrap

// A template's text, blocks and expressions as tokens.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "prompts/jinja/characters.h"
#include "prompts/jinja/syntax.h"

namespace mathtrap::jinja {
namespace {

constexpr std::size_t kMaxSourceBytes = std::size_t{256} << 10;  // ten times the longest of well-known models

bool is_name_begin(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Line ends as "\n", without the last one: Jinja2 takes it for the editor's.
std::string normalise(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text += source[i];
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

void append_utf8(std::string& to, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { to += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | (code >> 6));
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3f));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

class Lexer {
 public:
  Lexer(std::string_view source, const Place& place) : source_(normalise(source)), place_(place) {
    for (std::size_t i = 0; i < source_.size(); ++i) {
      if (source_[i] == '\n') line_begins_.push_back(i + 1);
    }
  }

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      const std::size_t tag = next_tag();
      take_text(tag);
      if (tag == source_.size()) break;
      const char kind = source_[tag + 1];
      at_ = tag + 2;
      if (at_ < source_.size() && (source_[at_] == '-' || source_[at_] == '+')) ++at_;
      if (kind == '#') {
        skip_comment(tag);
      } else {
        take_tag(tag, kind == '%');
      }
      line_starting_ = source_[at_ - 1] == '\n';
    }
    add(TokenKind::end, "", source_.size());
    return std::move(tokens_);
  }

 private:
  Position position(std::size_t at) const {
    const auto next = std::upper_bound(line_begins_.begin(), line_begins_.end(), at);
    const auto line = static_cast<std::size_t>(next - line_begins_.begin());
    return {line, at - line_begins_[line - 1] + 1};
  }

  [[noreturn]] void refuse(std::size_t at, const std::string& message) const { fail_at(place_, position(at), message); }

  void add(TokenKind kind, std::string text, std::size_t at) {
    tokens_.push_back({kind, std::move(text), position(at)});
  }

  /// Where the next "{{", "{%" or "{#" begins.
  std::size_t next_tag() const {
    for (std::size_t at = source_.find('{', at_); at != std::string::npos; at = source_.find('{', at + 1)) {
      const char next = at + 1 < source_.size() ? source_[at + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') return at;
    }
    return source_.size();
  }

  /// The text before a tag, with what the tag's sign and lstrip_blocks take of it.
  void take_text(std::size_t tag) {
    std::string_view text = std::string_view(source_).substr(at_, tag - at_);
    const bool has_tag = tag < source_.size();
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (has_tag && sign == '-') {
      text = strip(text, Ends::right);
    } else if (has_tag && sign != '+' && source_[tag + 1] != '{') {
      const std::size_t last_line = text.rfind('\n') + 1;  // 0 when there is none
      if ((last_line > 0 || line_starting_) && leading_blanks(text.substr(last_line)) == text.size() - last_line) {
        text = text.substr(0, last_line);
      }
    }
    if (!text.empty()) add(TokenKind::text, std::string(text), at_);
  }

  /// Behind a tag's end: "-" before it takes all white space, of blocks and comments nothing or "+" one line end or
  /// none.
  void finish_tag(char sign, bool trims) {
    const std::string_view rest = std::string_view(source_).substr(at_);
    if (sign == '-') {
      at_ += leading_blanks(rest);
    } else if (trims && sign != '+' && rest.starts_with('\n')) {
      ++at_;
    }
  }

  void skip_comment(std::size_t tag) {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string::npos) refuse(tag, "the comment does not end");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    at_ = end + 2;
    finish_tag(sign, true);
  }

  void take_tag(std::size_t tag, bool is_block) {
    add(is_block ? TokenKind::block_begin : TokenKind::output_begin, "", tag);
    const std::string_view end = is_block ? "%}" : "}}";
    std::string open;  // brackets that wait for their other half
    while (true) {
      while (at_ < source_.size() && (source_[at_] == ' ' || (source_[at_] >= '\t' && source_[at_] <= '\r'))) ++at_;
      if (at_ == source_.size()) refuse(tag, is_block ? "the block does not end" : "the expression does not end");
      const std::string_view rest = std::string_view(source_).substr(at_);
      if (open.empty()) {
        const char sign = rest.front() == '-' || (is_block && rest.front() == '+') ? rest.front() : '\0';
        const std::size_t skipped = sign == '\0' ? 0 : 1;
        if (rest.substr(skipped).starts_with(end)) {
          add(is_block ? TokenKind::block_end : TokenKind::output_end, "", at_);
          at_ += skipped + end.size();
          return finish_tag(sign, is_block);
        }
      }
      take_token(open);
    }
  }

  void take_token(std::string& open) {
    const char c = source_[at_];
    if (is_name_begin(c)) return take_name();
    if (is_digit(c)) return take_number();
    if (c == '"' || c == '\'') return take_string();
    take_symbol(open);
  }

  void take_name() {
    const std::size_t begin = at_;
    while (at_ < source_.size() && (is_name_begin(source_[at_]) || is_digit(source_[at_]))) ++at_;
    add(TokenKind::name, source_.substr(begin, at_ - begin), begin);
  }

  void skip_digits() {
    while (at_ < source_.size() && is_digit(source_[at_])) ++at_;
  }

  void take_number() {
    const std::size_t begin = at_;
    const bool after_dot = tokens_.back().kind == TokenKind::symbol && tokens_.back().text == ".";
    skip_digits();
    bool real = false;
    if (!after_dot && at_ + 1 < source_.size() && source_[at_] == '.' && is_digit(source_[at_ + 1])) {
      real = true;
      ++at_;
      skip_digits();
    }
    if (at_ < source_.size() && is_name_begin(source_[at_])) refuse(begin, "numbers of this form are not supported");
    add(real ? TokenKind::real : TokenKind::integer, source_.substr(begin, at_ - begin), begin);
  }

  void take_string() {
    const std::size_t begin = at_;
    const char quote = source_[at_++];
    std::string value;
    while (at_ < source_.size() && source_[at_] != quote) {
      if (source_[at_] == '\\') {
        take_escape(value);
      } else {
        value += source_[at_++];
      }
    }
    if (at_ == source_.size()) refuse(begin, "the string does not end");
    ++at_;
    add(TokenKind::string, std::move(value), begin);
  }

  /// Python's escapes; a backslash before any other character stays.
  void take_escape(std::string& value) {
    static constexpr std::string_view kPlain = "\\'\"abfnrtv";
    static constexpr std::string_view kMeaning = "\\'\"\a\b\f\n\r\t\v";
    const std::size_t begin = at_++;
    if (at_ == source_.size()) return;
    const char c = source_[at_++];
    if (c == '\n') return;
    if (const std::size_t known = kPlain.find(c); known != kPlain.npos) {
      value += kMeaning[known];
    } else if (c == 'x' || c == 'u' || c == 'U') {
      take_code(value, begin, c == 'x' ? 2 : (c == 'u' ? 4 : 8), 16);
    } else if (c >= '0' && c <= '7') {
      --at_;
      take_code(value, begin, 3, 8);
    } else {
      if (c == 'N') refuse(begin, "the escape \\N is not supported");
      value += '\\';
      value += c;
    }
  }

  /// A character by its code: `digits` hexadecimal digits, or up to three octal ones.
  void take_code(std::string& value, std::size_t begin, int digits, std::uint32_t base) {
    std::uint32_t code = 0;
    int taken = 0;
    for (; taken < digits && at_ < source_.size(); ++taken, ++at_) {
      static constexpr std::string_view kDigits = "0123456789abcdef";
      const char c = source_[at_];
      const std::size_t digit = kDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + ('a' - 'A')) : c);
      if (digit == kDigits.npos || digit >= base) break;
      code = code * base + static_cast<std::uint32_t>(digit);
    }
    constexpr std::uint32_t kLargest = 0x10ffff;
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    if ((base == 16 && taken < digits) || code > kLargest || surrogate) refuse(begin, "the escape gives no character");
    append_utf8(value, code);
  }

  void take_symbol(std::string& open) {
    static constexpr std::array<std::string_view, 6> kDouble = {"//", "**", "==", "!=", ">=", "<="};
    static constexpr std::string_view kSingle = "+-/*%~[](){}><=.:|,";
    static constexpr std::string_view kOpening = "([{";
    static constexpr std::string_view kClosing = ")]}";
    const std::string_view two = std::string_view(source_).substr(at_, 2);
    std::size_t size = 1;
    if (std::find(kDouble.begin(), kDouble.end(), two) != kDouble.end()) size = 2;
    const char c = source_[at_];
    if (size == 1 && kSingle.find(c) == kSingle.npos) refuse(at_, "a character that belongs to no expression");
    if (size == 1 && kOpening.find(c) != kOpening.npos) open += kClosing[kOpening.find(c)];
    if (size == 1 && kClosing.find(c) != kClosing.npos) {
      if (open.empty() || open.back() != c) refuse(at_, fmt::format("\"{}\" closes nothing", c));
      open.pop_back();
    }
    add(TokenKind::symbol, std::string(two.substr(0, size)), at_);
    at_ += size;
  }

  std::string source_;
  const Place& place_;
  std::vector<std::size_t> line_begins_ = {0};
  std::size_t at_ = 0;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

void fail_at(const Place& place, const Position& at, const std::string& message) {
  if (place.field.empty()) fail({place.file, at.line, fmt::format("column {}", at.column)}, message);
  fail({place.file, place.line, fmt::format("{}: line {}, column {}", place.field, at.line, at.column)}, message);
}

std::vector<Token> split_tokens(std::string_view source, const Place& place) {
  if (source.size() > kMaxSourceBytes) {
    fail(place, fmt::format("the chat template has {} bytes; at most {} are possible", source.size(), kMaxSourceBytes));
  }
  return Lexer(source, place).run();
}

}  // namespace mathtrap::jinja

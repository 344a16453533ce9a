#include "harness/math_run.h"

#include <algorithm>
#include <array>
#include <string>

#include "support/text.h"

namespace mathtrap {
namespace {

// An expression of running text is shorter; the bound keeps the search for the last one linear.
constexpr std::size_t kMaxRun = 500;
// GSM8K's solutions, and models trained on them, write calculations as <<3*4=12>>12: asides, not answers.
constexpr std::string_view kCalculationBegin = "<<";
constexpr std::string_view kCalculationEnd = ">>";
constexpr std::string_view kOperators = "+-*/^_=<>|%$";
constexpr std::array<std::string_view, 14> kMathWords = {"pi",  "sqrt", "sin",     "cos",      "tan",     "log", "ln",
                                                         "and", "or",   "hundred", "thousand", "million", "am",  "pm"};

std::size_t word_length(std::string_view text) {
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_letter) - text.begin());
}

bool begins_math(std::string_view text) {
  text = trim_blanks(text);
  if (text.empty()) return false;
  return is_digit(text[0]) || text[0] == '\\' || text[0] == '$' || text[0] == '-' ||
         (word_length(text) == 1 && trim_blanks(text.substr(1)).starts_with('='));
}

/// How many bytes of `text` at `at` belong to a run of mathematics; 0 when it ends here.
class RunScanner {
 public:
  explicit RunScanner(std::string_view text) : text_(text.substr(0, kMaxRun)) {}

  std::size_t scan() {
    std::size_t at = 0;
    while (at < text_.size()) {
      const std::size_t taken = step(at);
      if (taken == 0) break;
      at += taken;
    }
    return std::min(at, text_.size());
  }

 private:
  char next(std::size_t at) const { return at + 1 < text_.size() ? text_[at + 1] : '\0'; }
  char previous(std::size_t at) const { return at > 0 ? text_[at - 1] : ' '; }

  std::size_t step(std::size_t at) {
    const char c = text_[at];
    if (text_.substr(at).starts_with(kCalculationBegin)) return 0;
    if (c == '!') return std::string_view("}/*+-=)").find(next(at)) != std::string_view::npos ? 1 : 0;  // a factorial
    if (c == ' ' || is_digit(c) || kOperators.find(c) != std::string_view::npos) return 1;
    if (c == '.' || c == ':') return is_digit(next(at)) ? 1 : 0;
    if (c == ',') return is_digit(next(at)) || begins_math(text_.substr(at + 1)) || next(at) == ' ' ? 1 : 0;
    if (c == '(' || c == '[' || c == '{') return ++depth_, 1;
    if (c == ')' || c == ']' || c == '}') return depth_ == 0 ? 0 : (--depth_, 1);
    if (c == '\\') return command(at);
    if (is_letter(c)) return word(at);
    return symbol(at);
  }

  /// "\frac", "\%", "\text{ cm}" with what it holds.
  std::size_t command(std::size_t at) const {
    const std::size_t length = std::max<std::size_t>(1, word_length(text_.substr(at + 1))) + 1;
    const std::string_view name = text_.substr(at, length);
    if (name == "\\begin") return environment(at);
    if (name == "\\n") return 0;  // a line break written as two characters
    const bool holds_text = name.starts_with("\\text") || name == "\\mbox" || name == "\\mathrm";
    if (!holds_text || at + length >= text_.size() || text_[at + length] != '{') return length;
    const std::size_t close = closing_brace(text_, at + length);
    return close == std::string_view::npos ? length : close + 1 - at;
  }

  /// "\begin{pmatrix} … \end{pmatrix}".
  std::size_t environment(std::size_t at) const {
    const std::size_t end = text_.find("\\end{", at);
    const std::size_t close = end == std::string_view::npos ? end : text_.find('}', end);
    return close == std::string_view::npos ? 0 : close + 1 - at;
  }

  std::size_t word(std::size_t at) const {
    const std::string_view rest = text_.substr(at);
    const std::size_t length = word_length(rest);
    const std::string_view behind = rest.substr(length);
    if (length == 1) {
      // A variable or a choice, not the article "a": a word behind it says which.
      const std::string_view next_word = trim_blanks(behind);
      const bool article = previous(at) == ' ' && behind.starts_with(' ') && word_length(next_word) >= 2;
      return article || behind.starts_with('\'') ? 0 : 1;
    }
    const std::string lower = lower_case(rest.substr(0, length));
    const bool known = std::find(kMathWords.begin(), kMathWords.end(), lower) != kMathWords.end();
    if (lower == "and" || lower == "or") return begins_math(behind) ? length : 0;
    const bool attached = length <= 3 && (is_digit(previous(at)) || previous(at) == ')');
    return known || attached ? length : 0;
  }

  /// A sign of several bytes, such as π; dashes, quotes and bullets end the run.
  std::size_t symbol(std::size_t at) const {
    const std::string_view rest = text_.substr(at);
    if ((static_cast<unsigned char>(rest[0]) & 0x80U) == 0 || rest.starts_with("\xE2\x80")) return 0;
    std::size_t length = 1;
    while (length < rest.size() && (static_cast<unsigned char>(rest[length]) & 0xC0U) == 0x80U) ++length;
    return length;
  }

  std::string_view text_;
  int depth_ = 0;
};

bool can_begin_expression(std::string_view text, std::size_t at) {
  const char c = text[at];
  const char next = at + 1 < text.size() ? text[at + 1] : '\0';
  if (is_digit(c)) return true;
  if (c == '.' || c == '-') return is_digit(next) && (at == 0 || (!is_letter(text[at - 1]) && !is_digit(text[at - 1])));
  if (c == '\\') return is_letter(next);
  if (c == '(' || c == '[') return is_digit(next) || next == '-' || next == '\\';
  if (c == '$') return next != ' ' && next != '$';
  return false;
}

bool says_something(std::string_view run) {
  return std::any_of(run.begin(), run.end(), [](char c) { return is_digit(c); }) ||
         run.find("\\pi") != std::string_view::npos || run.find("\\frac") != std::string_view::npos ||
         run.find("\\sqrt") != std::string_view::npos ||
         (run.starts_with('$') && std::any_of(run.begin(), run.end(), is_letter));
}

}  // namespace

std::string_view math_run(std::string_view text) {
  std::string_view run = text.substr(0, RunScanner(text).scan());
  // What only leads on to something else is no part of it; "|" and ")" may close a formula.
  while (!run.empty() && std::string_view(" ,;:=([{<>+-/*_^").find(run.back()) != std::string_view::npos) {
    run.remove_suffix(1);
  }
  return run;
}

std::string_view last_expression(std::string_view text) {
  std::string_view last;
  for (std::size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with(kCalculationBegin)) {
      at = std::min(text.find(kCalculationEnd, at), text.size() - kCalculationEnd.size()) + kCalculationEnd.size();
      continue;
    }
    if (!can_begin_expression(text, at)) {
      ++at;
      continue;
    }
    const std::string_view run = math_run(text.substr(at));
    if (says_something(run)) last = run;
    at += std::max<std::size_t>(1, run.size());
  }
  return last;
}

}  // namespace mathtrap

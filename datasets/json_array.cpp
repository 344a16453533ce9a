#include "datasets/json_array.h"

#include <cstddef>

namespace mathtrap {
namespace {

class Scanner {
 public:
  Scanner(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  std::size_t line() const { return line_; }

  void skip_blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n')) {
      step();
    }
  }

  bool take(char wanted) {
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    step();
    return true;
  }

  bool at_end() {
    skip_blanks();
    return at_ == text_.size();
  }

  /// Goes on to the comma or bracket that ends the element, and gives what it passed.
  std::string_view take_item() {
    skip_blanks();
    const std::size_t begin = at_;
    std::size_t depth = 0;
    for (; at_ < text_.size(); step()) {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (depth == 0 && (c == ',' || c == ']')) {
        return text_.substr(begin, at_ - begin);
      } else if (c == '}' || c == ']') {
        if (depth == 0) fail_here("not valid JSON: a bracket closes that was never opened");
        --depth;
      }
    }
    fail_here("not valid JSON: the array is never closed");
  }

  [[noreturn]] void fail_here(const std::string& message) const { fail({file_, line_, ""}, message); }

 private:
  void step() {
    if (text_[at_] == '\n') ++line_;
    ++at_;
  }

  /// Stops at the closing quote.
  void skip_string() {
    for (step(); at_ < text_.size() && text_[at_] != '"'; step()) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) step();
    }
    if (at_ == text_.size()) fail_here("not valid JSON: a string is never closed");
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

}  // namespace

void for_each_json_item(std::string_view text, const std::string& file,
                        const std::function<void(std::string_view text, std::size_t line)>& item) {
  Scanner scanner(text, file);
  if (!scanner.take('[')) scanner.fail_here("a JSON array is wanted");
  if (!scanner.take(']')) {
    do {
      scanner.skip_blanks();
      const std::size_t line = scanner.line();
      item(scanner.take_item(), line);
    } while (scanner.take(','));
    if (!scanner.take(']')) scanner.fail_here("not valid JSON: the array is never closed");
  }
  if (!scanner.at_end()) scanner.fail_here("not valid JSON: something follows the array");
}

}  // namespace mathtrap

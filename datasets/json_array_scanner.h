// Takes a JSON array apart at the commas of its top level. It looks at brackets and quotes alone, so that a whole
// benchmark in one array gets errors that name a line, and one broken element does not cost the others.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "datasets/json_items.h"

namespace mathtrap {

class JsonArrayScanner {
 public:
  /// `text` begins with the array, or with blanks before it.
  explicit JsonArrayScanner(std::string_view text) : text_(text) {}

  /// The next element, or what is wrong where it should be; nothing at the end.
  std::optional<JsonItem> next();

 private:
  enum class State { before, elements, ended };

  bool at_end() const { return at_ == text_.size(); }
  char current() const { return at_end() ? '\0' : text_[at_]; }
  void step();
  void skip_blanks();
  std::optional<JsonItem> first();
  JsonItem element();
  std::string pass_element();
  std::string pass_string();
  JsonItem broken(std::size_t begin, std::string problem);
  bool go_to_next_element(std::size_t begin);
  std::optional<JsonItem> after_array();

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  State state_ = State::before;
  bool comma_wanted_ = false;  ///< an element has ended
};

}  // namespace mathtrap

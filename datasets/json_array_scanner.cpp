#include "datasets/json_array_scanner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace mathtrap {
namespace {

constexpr const char* kNeverClosed = "not valid JSON: the array is never closed";
constexpr const char* kNeverOpened = "not valid JSON: a bracket closes that was never opened";
constexpr std::string_view kBlanks = " \t\r\n";

/// The blanks between the last line break before `at` and `at`; nothing when something else stands there.
std::optional<std::string_view> indent_at(std::string_view text, std::size_t at) {
  const std::size_t line_break = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  if (line_break == std::string_view::npos) return std::nullopt;
  const std::string_view before = text.substr(line_break + 1, at - line_break - 1);
  if (before.find_first_not_of(kBlanks) != std::string_view::npos) return std::nullopt;
  return before;
}

}  // namespace

void JsonArrayScanner::step() {
  if (text_[at_] == '\n') ++line_;
  ++at_;
}

void JsonArrayScanner::skip_blanks() {
  while (!at_end() && kBlanks.find(current()) != std::string_view::npos) step();
}

std::optional<JsonItem> JsonArrayScanner::next() {
  if (state_ == State::before) return first();
  if (state_ == State::ended) return std::nullopt;
  skip_blanks();
  if (at_end()) {
    state_ = State::ended;
    return JsonItem{{}, line_, kNeverClosed};
  }
  if (comma_wanted_ && current() == ']') {
    step();
    return after_array();
  }
  return element();
}

std::optional<JsonItem> JsonArrayScanner::first() {
  skip_blanks();
  step();  // the opening bracket
  skip_blanks();
  state_ = State::elements;
  if (current() != ']') return next();
  step();
  return after_array();
}

std::optional<JsonItem> JsonArrayScanner::after_array() {
  state_ = State::ended;
  skip_blanks();
  if (at_end()) return std::nullopt;
  return JsonItem{{}, line_, "not valid JSON: something follows the array"};
}

JsonItem JsonArrayScanner::element() {
  const bool comma = current() == ',';
  const bool comma_missing = comma_wanted_ && !comma;
  if (comma_wanted_ && comma) step();
  skip_blanks();
  const std::size_t begin = at_;
  const std::size_t line = line_;
  const std::string problem = pass_element();
  if (!problem.empty()) return broken(begin, problem);
  const std::string_view text = text_.substr(begin, at_ - begin);
  comma_wanted_ = true;
  skip_blanks();
  if (current() == '}') {
    const std::size_t where = line_;
    while (current() == '}') step();
    return {{}, where, kNeverOpened};
  }
  if (comma_missing) return {{}, line, "not valid JSON: there is no comma before it"};
  if (text.empty()) return {{}, line, "not valid JSON: an element is wanted after the comma"};
  return {text, line, ""};
}

/// Goes behind the element's last bracket, or to the comma or bracket that follows a number or a word. Gives what is
/// wrong with it.
std::string JsonArrayScanner::pass_element() {
  std::string open;
  for (; !at_end(); step()) {
    const char c = current();
    if (c == '"') {
      if (std::string problem = pass_string(); !problem.empty()) return problem;
    } else if (c == '{' || c == '[') {
      open += c;
    } else if (open.empty() && (c == ',' || c == ']')) {
      return "";
    } else if (c == '}' || c == ']') {
      if (open.empty()) return kNeverOpened;
      if (open.back() != (c == '}' ? '{' : '[')) return "not valid JSON: the brackets do not match";
      open.pop_back();
      if (!open.empty()) continue;
      step();
      return "";
    }
  }
  return kNeverClosed;
}

/// Stops at the closing quote. A string ends on its line: JSON writes line breaks as \n.
std::string JsonArrayScanner::pass_string() {
  for (step(); !at_end() && current() != '"' && current() != '\n'; step()) {
    if (current() == '\\' && at_ + 1 < text_.size()) step();
  }
  return current() == '"' ? "" : "not valid JSON: a string is never closed";
}

JsonItem JsonArrayScanner::broken(std::size_t begin, std::string problem) {
  const std::size_t line = line_;
  const bool more = !at_end() || text_.find('\n', begin) != std::string_view::npos;
  if (!go_to_next_element(begin)) {
    state_ = State::ended;
    if (more && problem != kNeverClosed) problem += "; what follows cannot be told apart";
  }
  return {{}, line, std::move(problem)};
}

/// To the next line that begins as the broken element's line did. False when there is none.
bool JsonArrayScanner::go_to_next_element(std::size_t begin) {
  const auto indent = indent_at(text_, begin);
  if (!indent || begin == text_.size()) return false;
  const std::string start = fmt::format("\n{}{}", *indent, text_[begin]);
  const std::size_t found = text_.find(start, begin);
  if (found == std::string_view::npos) return false;
  const std::size_t target = found + start.size() - 1;
  if (at_ > target) {  // the scan went past it, within a bracket that is never closed
    const std::string_view passed = text_.substr(target, at_ - target);
    line_ -= static_cast<std::size_t>(std::count(passed.begin(), passed.end(), '\n'));
    at_ = target;
  }
  while (at_ < target) step();
  comma_wanted_ = false;
  return true;
}

}  // namespace mathtrap

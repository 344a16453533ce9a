#include "traps/proof/smt_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

namespace mathtrap {
namespace {

constexpr std::size_t kMaxText = 262'144;
constexpr int kMaxDepth = 100;

/// Cuts a text into top-level expressions without interpreting them.
class Reader {
 public:
  Reader(std::string_view text, std::string part, const Place& place)
      : text_(text), part_(std::move(part)), place_(place) {
    if (text.size() > kMaxText) refuse(fmt::format("holds {} bytes, at most {} are read", text.size(), kMaxText));
  }

  /// The next expression with comments and needless blanks left out; "" at the end.
  std::string next() {
    std::string out;
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == ';') {
        skip_comment();
      } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
        ++at_;
        if (depth == 0 && !out.empty()) return out;
        if (!out.empty() && out.back() != ' ' && out.back() != '(') out += ' ';
      } else if (c == '(') {
        if (depth == 0 && !out.empty()) return out;
        if (depth == kMaxDepth) refuse(fmt::format("is nested deeper than {}", kMaxDepth));
        ++depth;
        take(out);
      } else if (c == ')') {
        if (depth == 0) refuse("has a ')' without its '('");
        if (!out.empty() && out.back() == ' ') out.pop_back();
        take(out);
        if (--depth == 0) return out;
      } else {
        take_symbol(out, c);
      }
    }
    if (depth > 0) refuse("has a '(' that is never closed");
    return out;
  }

  [[noreturn]] void refuse(const std::string& message) const {
    const auto lines = std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
    fail({place_.file, place_.line, "proof." + part_}, fmt::format("line {} of the text {}", lines + 1, message));
  }

 private:
  void take(std::string& out) { out += text_[at_++]; }

  void skip_comment() {
    while (at_ < text_.size() && text_[at_] != '\n') ++at_;
  }

  void take_symbol(std::string& out, char c) {
    if (c == '|' || c == '"')
      refuse(fmt::format("uses {}: names are letters, digits and _, and there are no texts", c));
    if (std::iscntrl(static_cast<unsigned char>(c)) != 0 || static_cast<unsigned char>(c) >= 0x80) {
      refuse("holds a character that is not ASCII");
    }
    take(out);
  }

  std::string_view text_;
  std::string part_;
  Place place_;
  std::size_t at_ = 0;
};

/// "(head …)" gives "head".
std::string_view head_of(std::string_view expression) {
  if (expression.empty() || expression[0] != '(') return {};
  return expression.substr(1, expression.find_first_of(" ()", 1) - 1);
}

/// Takes the name off "(! body :named name)"; `body` stays as it is when it bears none.
std::string split_name(std::string& body, const Reader& reader) {
  if (head_of(body) != "!") return "";
  constexpr std::string_view kNamed = ":named ";
  const std::size_t at = body.rfind(kNamed);
  if (at == std::string::npos || at < 3) reader.refuse("has a '!' without :named");
  std::string name = body.substr(at + kNamed.size(), body.size() - at - kNamed.size() - 1);
  if (name.empty() || name.find_first_of(" ()") != std::string::npos) reader.refuse("has a :named without one name");
  body = body.substr(3, at - 3);
  while (!body.empty() && body.back() == ' ') body.pop_back();
  return name;
}

}  // namespace

SmtText read_smt_text(std::string_view text, const std::string& part, const Place& place) {
  constexpr std::array<std::string_view, 3> kDeclarations = {"declare-const", "declare-fun", "define-fun"};
  Reader reader(text, part, place);
  SmtText result;
  for (std::string expression = reader.next(); !expression.empty(); expression = reader.next()) {
    const std::string head(head_of(expression));
    if (std::find(kDeclarations.begin(), kDeclarations.end(), head) != kDeclarations.end()) {
      result.declarations += expression + "\n";
    } else if (head == "assert") {
      if (expression.size() < 10) reader.refuse("has an assert without a formula");
      std::string body = expression.substr(8, expression.size() - 9);
      std::string name = split_name(body, reader);
      if (body.find(":named") != std::string::npos) reader.refuse("names a part of a formula; name whole assertions");
      if (name.empty()) name = fmt::format("{}_{}", part, result.statements.size() + 1);
      result.statements.push_back({std::move(name), part, std::move(body)});
    } else {
      reader.refuse(
          fmt::format("has '{}'; known: declare-const, declare-fun, define-fun, assert", expression.substr(0, 60)));
    }
  }
  return result;
}

std::string read_smt_term(std::string_view text, const std::string& part, const Place& place) {
  Reader reader(text, part, place);
  std::string term = reader.next();
  if (term.empty()) reader.refuse("holds no term");
  if (!reader.next().empty()) reader.refuse("holds more than one term");
  return term;
}

}  // namespace mathtrap

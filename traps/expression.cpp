#include "traps/expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "datasets/field_names.h"
#include "support/error.h"
#include "traps/functions.h"

namespace mathtrap {
namespace {

constexpr std::size_t kMaxCharacters = 4096;
constexpr int kMaxDepth = 100;
constexpr std::size_t kMaxNodes = 1000;  // a chain of operators is as deep as it is long; this bounds the evaluation
constexpr std::size_t kMaxShown = 60;    // characters of an expression in an error

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

struct Symbol {
  std::string_view text;
  Operator operation;
};

}  // namespace

/// Recursive descent, one function per level of precedence, the loosest first. `^` binds tighter than a sign and groups
/// from the right: -2 ^ 2 = -4.
class ExpressionParser {
 public:
  ExpressionParser(std::string_view text, const Names& names) : text_(text), names_(names) {}

  Expression parse() {
    if (text_.size() > kMaxCharacters)
      throw Error(fmt::format("an expression of more than {} characters", kMaxCharacters));
    expression_.text_ = text_;
    parse_or();
    skip_blanks();
    if (at_ != text_.size()) fail_here("the expression should end");
    return std::move(expression_);
  }

 private:
  using Kind = Expression::Kind;
  using Node = Expression::Node;

  /// Bounds the recursion.
  class Level {
   public:
    explicit Level(int& depth) : depth_(depth) {
      if (++depth_ > kMaxDepth) throw Error(fmt::format("an expression nested deeper than {}", kMaxDepth));
    }
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int& depth_;
  };

  [[noreturn]] void fail_here(const std::string& message) const {
    const std::string rest(text_.substr(at_, kMaxShown));
    throw Error(rest.empty() ? fmt::format("{} at the end", message) : fmt::format("{} at \"{}\"", message, rest));
  }

  void skip_blanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }

  /// Takes a symbol when it comes next.
  bool take(std::string_view symbol) {
    skip_blanks();
    if (!text_.substr(at_).starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }

  void expect(std::string_view symbol) {
    if (!take(symbol)) fail_here(fmt::format("\"{}\" is wanted", symbol));
  }

  std::string_view peek_word() {
    skip_blanks();
    std::size_t end = at_;
    while (end < text_.size() && (is_letter(text_[end]) || (end > at_ && is_digit(text_[end])))) ++end;
    return text_.substr(at_, end - at_);
  }

  bool take_word(std::string_view word) {
    if (peek_word() != word) return false;
    at_ += word.size();
    return true;
  }

  /// The first of the symbols that comes next; longer ones stand before their beginnings.
  template <std::size_t count>
  const Symbol* take_any(const std::array<Symbol, count>& symbols) {
    for (const Symbol& symbol : symbols) {
      if (take(symbol.text)) return &symbol;
    }
    return nullptr;
  }

  std::size_t add(Node node) {
    if (expression_.nodes_.size() == kMaxNodes)
      throw Error(fmt::format("an expression of more than {} parts", kMaxNodes));
    expression_.nodes_.push_back(std::move(node));
    return expression_.nodes_.size() - 1;
  }

  std::size_t add_binary(Operator operation, std::size_t left, std::size_t right) {
    return add({Kind::binary, static_cast<std::uint16_t>(operation), 0, {}, {left, right}});
  }

  std::size_t parse_or() {
    const Level level(depth_);
    std::size_t left = parse_and();
    while (take_word("or")) {
      const std::size_t right = parse_and();
      left = add({Kind::logical_or, 0, 0, {}, {left, right}});
    }
    return left;
  }

  std::size_t parse_and() {
    std::size_t left = parse_not();
    while (take_word("and")) {
      const std::size_t right = parse_not();
      left = add({Kind::logical_and, 0, 0, {}, {left, right}});
    }
    return left;
  }

  std::size_t parse_not() {
    const Level level(depth_);
    if (!take_word("not")) return parse_comparison();
    const std::size_t operand = parse_not();
    return add({Kind::logical_not, 0, 0, {}, {operand}});
  }

  std::size_t parse_comparison() {
    constexpr std::array<Symbol, 6> kSymbols = {{{"==", Operator::equal},
                                                 {"!=", Operator::not_equal},
                                                 {"<=", Operator::less_equal},
                                                 {">=", Operator::greater_equal},
                                                 {"<", Operator::less},
                                                 {">", Operator::greater}}};
    const std::size_t left = parse_sum();
    const Symbol* symbol = take_any(kSymbols);
    if (symbol == nullptr) return left;
    const std::size_t right = parse_sum();
    const std::size_t compared = add_binary(symbol->operation, left, right);
    if (take_any(kSymbols) != nullptr) throw Error("comparisons cannot be chained; join them with \"and\"");
    return compared;
  }

  std::size_t parse_sum() {
    constexpr std::array<Symbol, 2> kSymbols = {{{"+", Operator::plus}, {"-", Operator::minus}}};
    std::size_t left = parse_product();
    while (const Symbol* symbol = take_any(kSymbols)) {
      const std::size_t right = parse_product();
      left = add_binary(symbol->operation, left, right);
    }
    return left;
  }

  std::size_t parse_product() {
    constexpr std::array<Symbol, 4> kSymbols = {
        {{"*", Operator::times}, {"//", Operator::floor_divide}, {"/", Operator::divide}, {"%", Operator::modulo}}};
    std::size_t left = parse_sign();
    while (const Symbol* symbol = take_any(kSymbols)) {
      const std::size_t right = parse_sign();
      left = add_binary(symbol->operation, left, right);
    }
    return left;
  }

  std::size_t parse_sign() {
    const Level level(depth_);
    if (!take("-")) return parse_power();
    const std::size_t operand = parse_sign();
    return add({Kind::negate, 0, 0, {}, {operand}});
  }

  std::size_t parse_power() {
    const std::size_t base = parse_primary();
    if (!take("^")) return base;
    const std::size_t exponent = parse_sign();
    return add_binary(Operator::power, base, exponent);
  }

  std::size_t parse_primary() {
    skip_blanks();
    if (at_ == text_.size()) fail_here("a value is wanted");
    const char c = text_[at_];
    if (is_digit(c)) return parse_number();
    if (c == '\'' || c == '"') return parse_string(c);
    if (is_letter(c)) return parse_name();
    if (!take("(")) fail_here("a value is wanted");
    const std::size_t inner = parse_or();
    expect(")");
    return inner;
  }

  std::size_t parse_number() {
    Rational number;
    while (at_ < text_.size() && is_digit(text_[at_])) take_digit(number);
    Rational scale{1, 1};
    if (at_ + 1 < text_.size() && text_[at_] == '.' && is_digit(text_[at_ + 1])) {
      for (++at_; at_ < text_.size() && is_digit(text_[at_]); scale = multiply(scale, {10, 1})) take_digit(number);
    }
    return add({Kind::constant, 0, 0, divide(number, scale), {}});
  }

  void take_digit(Rational& number) {
    number = mathtrap::add(multiply(number, {10, 1}), {text_[at_] - '0', 1});
    ++at_;
  }

  std::size_t parse_string(char quote) {
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail_here("the text has no closing quote");
    const std::string text(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return add({Kind::constant, 0, 0, text, {}});
  }

  std::size_t parse_name() {
    std::string name(peek_word());
    at_ += name.size();
    if (name == "true" || name == "false") return add({Kind::constant, 0, 0, name == "true", {}});
    if (take("(")) return parse_call(name);
    while (at_ + 1 < text_.size() && text_[at_] == '.' && is_letter(text_[at_ + 1])) {
      ++at_;
      const std::string_view field = peek_word();
      name.append(".").append(field);
      at_ += field.size();
    }
    const auto found = names_.find(name);
    if (found == names_.end()) fail_unknown(name);
    expression_.cells_read_ = std::max(expression_.cells_read_, found->second + 1);
    return add({Kind::cell, 0, found->second, {}, {}});
  }

  [[noreturn]] void fail_unknown(const std::string& name) const {
    std::vector<std::string> known;
    for (const auto& [other, cell] : names_) {
      if (other.starts_with(name + ".")) throw Error(fmt::format("\"{}\" is a table; say \"{}\"", name, other));
      known.push_back(other);
    }
    throw Error(describe_unknown("name", name, known));
  }

  std::size_t parse_call(const std::string& name) {
    std::vector<std::size_t> children;
    if (!take(")")) {
      do children.push_back(parse_or());
      while (take(","));
      expect(")");
    }
    if (name == "if") {
      if (children.size() != 3) throw Error("if takes a condition and two values");
      return add({Kind::choose, 0, 0, {}, std::move(children)});
    }
    const std::optional<std::uint16_t> function = find_function(name);
    if (!function) throw Error(fmt::format("there is no function \"{}\"", name.substr(0, kMaxShown)));
    check_arity(*function, children.size());
    return add({Kind::call, *function, 0, {}, std::move(children)});
  }

  std::string_view text_;
  const Names& names_;
  std::size_t at_ = 0;
  int depth_ = 0;
  Expression expression_;
};

Expression Expression::parse(std::string_view text, const Names& names) {
  return ExpressionParser(text, names).parse();
}

Value Expression::evaluate(std::span<const Value> cells) const {
  return evaluate_node(nodes_.size() - 1, cells);
}

Value Expression::evaluate_node(std::size_t index, std::span<const Value> cells) const {
  const Node& node = nodes_[index];
  const auto child = [&](std::size_t which) { return evaluate_node(node.children[which], cells); };
  switch (node.kind) {
    case Kind::constant:
      return node.constant;
    case Kind::cell:
      return cells[node.cell];
    case Kind::negate:
      return negate(as_number(child(0), "-"));
    case Kind::logical_not:
      return !as_condition(child(0));
    case Kind::logical_and:
      return as_condition(child(0)) && as_condition(child(1));
    case Kind::logical_or:
      return as_condition(child(0)) || as_condition(child(1));
    case Kind::binary:
      return apply(static_cast<Operator>(node.code), child(0), child(1));
    case Kind::choose:
      return as_condition(child(0)) ? child(1) : child(2);
    case Kind::call:
      break;
  }
  std::vector<Value> values;
  values.reserve(node.children.size());
  for (std::size_t which = 0; which < node.children.size(); ++which) values.push_back(child(which));
  return call(node.code, values);
}

std::string to_text(const Value& value) {
  if (const auto* number = std::get_if<Rational>(&value)) return to_text(*number);
  if (const auto* condition = std::get_if<bool>(&value)) return *condition ? "true" : "false";
  return std::get<std::string>(value);
}

std::string to_smt(const Value& value) {
  if (const auto* number = std::get_if<Rational>(&value)) return to_smt(*number);
  return to_text(value);
}

}  // namespace mathtrap

#include "harness/math_expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "harness/latex.h"
#include "support/text.h"

namespace mathtrap {
namespace {

using Kind = MathExpression::Kind;

constexpr std::size_t kMaxProductLetters = 3;  // "2xyz" is a product, "apples" a word
constexpr int kMaxFactorial = 20;

constexpr std::array kGreek =
    std::to_array<std::string_view>({"alpha", "beta", "gamma", "delta", "epsilon", "theta", "lambda", "mu", "rho",
                                     "sigma", "tau", "phi", "varphi", "omega", "infty"});
constexpr std::array kFunctions = std::to_array<std::string_view>(
    {"arcsin", "arccos", "arctan", "sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "sqrt", "abs"});

constexpr std::array kOfAngles = std::to_array<std::string_view>({"sin", "cos", "tan", "cot", "sec", "csc"});

/// Thrown within this file alone: the text is no expression.
struct NoExpression {};

MathExpression number(std::string digits) {
  return {Kind::number, std::move(digits), 0, {}};
}

MathExpression join(Kind kind, MathExpression a, MathExpression b) {
  MathExpression joined{kind, {}, 0, {}};
  joined.parts.push_back(std::move(a));
  joined.parts.push_back(std::move(b));
  return joined;
}

MathExpression negative(MathExpression a) {
  return join(Kind::product, number("-1"), std::move(a));
}

MathExpression inverse(MathExpression a) {
  return join(Kind::power, std::move(a), number("-1"));
}

MathExpression apply(std::string_view name, MathExpression argument) {
  MathExpression result{Kind::function, std::string(name), 0, {}};
  result.parts.push_back(std::move(argument));
  return result;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  MathExpression whole() {
    MathExpression result = sum();
    skip_blanks();
    if (at_ != text_.size()) throw NoExpression{};
    return result;
  }

 private:
  /// One level of recursion.
  struct Level {
    explicit Level(int& counter) : depth(counter) {
      // What throws here has no destructor to count it back.
      if (depth >= kMaxDepth) throw NoExpression{};
      ++depth;
    }
    ~Level() { --depth; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    int& depth;
  };

  void count_node() {
    if (++nodes_ > kMaxNodes) throw NoExpression{};
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_blanks() {
    while (peek() == ' ') ++at_;
  }

  bool skip(std::string_view token) {
    skip_blanks();
    if (!text_.substr(at_).starts_with(token)) return false;
    // "\le" is not the front of "\left".
    const std::size_t end = at_ + token.size();
    if (token.front() == '\\' && is_letter(token.back()) && end < text_.size() && is_letter(text_[end])) return false;
    at_ = end;
    return true;
  }

  void expect(std::string_view token) {
    if (!skip(token)) throw NoExpression{};
  }

  MathExpression sum() {
    const Level level(depth_);
    MathExpression result = signed_product();
    int height = 0;
    while (true) {
      if (skip("+")) {
        result = join(Kind::sum, std::move(result), signed_product());
      } else if (skip("-")) {
        result = join(Kind::sum, std::move(result), negative(signed_product()));
      } else {
        return result;
      }
      // Sums lean to the left: a long one is a deep tree.
      if (++height > kMaxDepth) throw NoExpression{};
    }
  }

  MathExpression signed_product() {
    const Level level(depth_);
    if (skip("-")) return negative(signed_product());
    if (skip("+")) return signed_product();
    return product();
  }

  MathExpression product() {
    MathExpression result = powered();
    for (int height = 0; height <= kMaxDepth; ++height) {
      if (skip("\\cdot") || skip("\\times") || skip("*")) {
        result = join(Kind::product, std::move(result), signed_factor());
      } else if (skip("/") || skip("\\div")) {
        result = join(Kind::product, std::move(result), inverse(signed_factor()));
      } else if (factor_follows()) {
        result = join(Kind::product, std::move(result), powered());
      } else {
        return result;
      }
    }
    throw NoExpression{};
  }

  MathExpression signed_factor() {
    const Level level(depth_);
    return skip("-") ? negative(signed_factor()) : powered();
  }

  /// What may stand behind a factor without a sign between: anything but a digit ("1 2" is not 2).
  bool factor_follows() {
    skip_blanks();
    const char c = peek();
    if (c == '\\') {
      const std::string_view name = command_name();
      return name == "frac" || name == "sqrt" || name == "pi" || known(kGreek, name) || known(kFunctions, name);
    }
    return is_letter(c) || c == '(' || c == '[' || c == '{';
  }

  MathExpression powered() {
    const Level level(depth_);
    MathExpression base = factorial();
    if (skip("^") || skip("**")) return join(Kind::power, std::move(base), exponent());
    return base;
  }

  MathExpression exponent() {
    const Level level(depth_);
    if (skip("{")) {
      MathExpression inside = sum();
      expect("}");
      return inside;
    }
    if (skip("-")) return negative(exponent());
    if (is_digit(peek())) return decimal();
    return powered();
  }

  /// An atom with the signs that may stand behind it.
  MathExpression factorial() {
    MathExpression operand = atom();
    if (skip("\\degree")) return degrees(std::move(operand));
    if (!skip("!")) return operand;
    const bool small = operand.kind == Kind::number && operand.scale == 0 && operand.name.size() <= 2 &&
                       std::stoi(operand.name) <= kMaxFactorial;
    if (!small) throw NoExpression{};
    std::int64_t value = 1;
    for (int i = 2; i <= std::stoi(operand.name); ++i) value *= i;
    return number(std::to_string(value));
  }

  MathExpression atom() {
    const Level level(depth_);
    count_node();
    skip_blanks();
    const char c = peek();
    if (is_digit(c) || c == '.') return mixed();
    if (skip("(")) return closed_by(")");
    if (skip("[")) return closed_by("]");
    if (skip("{")) return closed_by("}");
    if (skip("|")) return apply("abs", closed_by("|"));
    if (c == '\\') return command();
    if (is_letter(c)) return letters();
    throw NoExpression{};
  }

  /// Within a sine or its kin 60 degrees are pi/3; elsewhere they are a unit, which is dropped.
  MathExpression degrees(MathExpression operand) {
    if (!in_angle_) return operand;
    count_node();
    MathExpression radians = join(Kind::product, {Kind::pi, {}, 0, {}}, inverse(number("180")));
    return join(Kind::product, std::move(operand), std::move(radians));
  }

  MathExpression closed_by(std::string_view bracket) {
    MathExpression inside = sum();
    expect(bracket);
    return inside;
  }

  MathExpression decimal() {
    count_node();
    std::string digits;
    int scale = 0;
    while (is_digit(peek())) digits += text_[at_++];
    if (peek() == '.') {
      ++at_;
      while (is_digit(peek())) digits += text_[at_++], ++scale;
    }
    if (digits.empty() || digits.size() > static_cast<std::size_t>(kMaxNumberDigits)) throw NoExpression{};
    if (peek() == '_') throw NoExpression{};  // the base of a number
    return {Kind::number, std::move(digits), scale, {}};
  }

  /// "1\frac{4}{5}" is a sum; "3\frac{x}{2}" a product.
  MathExpression mixed() {
    MathExpression whole = decimal();
    const std::size_t begin = at_;
    if (whole.scale != 0 || !skip("\\frac")) return whole;
    MathExpression above = argument();
    MathExpression below = argument();
    if (above.kind == Kind::number && below.kind == Kind::number) {
      return join(Kind::sum, std::move(whole), join(Kind::product, std::move(above), inverse(std::move(below))));
    }
    at_ = begin;
    return whole;
  }

  /// "{…}", or one digit, letter or command, as in \frac12.
  MathExpression argument() {
    const Level level(depth_);
    count_node();
    skip_blanks();
    if (skip("{")) return closed_by("}");
    if (skip("(")) return closed_by(")");
    const char c = peek();
    if (is_digit(c)) return ++at_, number(std::string(1, c));
    if (is_letter(c)) return ++at_, symbol(c);
    if (c == '\\') return command();
    throw NoExpression{};
  }

  std::string_view command_name() const {
    std::size_t end = at_ + 1;
    while (end < text_.size() && is_letter(text_[end])) ++end;
    return text_.substr(at_ + 1, end - at_ - 1);
  }

  template <typename Names>
  static bool known(const Names& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  MathExpression command() {
    const std::string_view name = command_name();
    at_ += 1 + name.size();
    if (name == "frac") {
      MathExpression above = argument();
      return join(Kind::product, std::move(above), inverse(argument()));
    }
    if (name == "pi") return {Kind::pi, {}, 0, {}};
    if (known(kFunctions, name)) return function(name);
    if (!known(kGreek, name)) throw NoExpression{};
    return {Kind::symbol, fmt::format("\\{}{}", name, index()), 0, {}};
  }

  MathExpression function(std::string_view name) {
    if (name == "sqrt") return root();
    std::optional<MathExpression> base;
    if (name == "log" && skip("_")) base = argument();
    std::optional<MathExpression> outer;
    if (skip("^")) outer = exponent();
    MathExpression inside = argument_of_function(known(kOfAngles, name));
    const bool inverted = outer && known(kOfAngles, name) && is_minus_one(*outer);
    if (inverted) outer.reset();
    MathExpression result = inverted ? inverse_function(name, std::move(inside)) : named(name, std::move(inside));
    if (base) result = join(Kind::product, std::move(result), inverse(apply("log", std::move(*base))));
    if (outer) result = join(Kind::power, std::move(result), std::move(*outer));
    return result;
  }

  MathExpression argument_of_function(bool is_angle) {
    const bool outside = std::exchange(in_angle_, is_angle);
    skip_blanks();
    MathExpression inside = peek() == '(' || peek() == '{' ? argument() : product_of_argument();
    if (skip("\\degree")) inside = degrees(std::move(inside));
    in_angle_ = outside;
    return inside;
  }

  static bool is_minus_one(const MathExpression& e) {
    return e.kind == Kind::product && e.parts[0].name == "-1" && e.parts[1].kind == Kind::number &&
           e.parts[1].name == "1" && e.parts[1].scale == 0;
  }

  /// "\sin^{-1} x" is an arc, as mathematicians write it, and no reciprocal.
  static MathExpression inverse_function(std::string_view name, MathExpression inside) {
    if (name == "sin") return apply("arcsin", std::move(inside));
    if (name == "cos") return apply("arccos", std::move(inside));
    if (name == "tan") return apply("arctan", std::move(inside));
    throw NoExpression{};
  }

  /// "\sin 2x": numbers and symbols up to the next sign.
  MathExpression product_of_argument() {
    const Level level(depth_);
    MathExpression result = powered();
    skip_blanks();
    while (is_letter(peek()) || (peek() == '\\' && command_name() == "pi")) {
      result = join(Kind::product, std::move(result), powered());
      skip_blanks();
    }
    return result;
  }

  static MathExpression named(std::string_view name, MathExpression inside) {
    if (name == "ln") return apply("log", std::move(inside));
    if (name == "sec") return inverse(apply("cos", std::move(inside)));
    if (name == "csc") return inverse(apply("sin", std::move(inside)));
    if (name == "cot") return inverse(apply("tan", std::move(inside)));
    return apply(name, std::move(inside));
  }

  MathExpression root() {
    MathExpression degree = number("2");
    if (skip("[")) degree = closed_by("]");
    MathExpression inside = argument_of_root();
    return join(Kind::power, std::move(inside), inverse(std::move(degree)));
  }

  /// As argument(), but "\sqrt 13" is a root of 13.
  MathExpression argument_of_root() {
    skip_blanks();
    return is_digit(peek()) ? decimal() : argument();
  }

  MathExpression symbol(char c) {
    if (c == 'i') return {Kind::unit, {}, 0, {}};
    if (c == 'e') return {Kind::euler, {}, 0, {}};
    return {Kind::symbol, fmt::format("{}{}", c, index()), 0, {}};
  }

  /// "_1", "_{12}" behind a variable.
  std::string index() {
    if (peek() != '_') return "";
    ++at_;
    const bool braces = skip("{");
    std::string name;
    while (is_digit(peek()) || is_letter(peek())) {
      name += text_[at_++];
      if (!braces || name.size() > 4) break;
    }
    if (name.empty() || (braces && !skip("}"))) throw NoExpression{};
    return fmt::format("_{}", name);
  }

  MathExpression letters() {
    std::size_t end = at_;
    while (end < text_.size() && is_letter(text_[end])) ++end;
    const std::string_view word = text_.substr(at_, end - at_);
    if (word == "pi") return at_ = end, MathExpression{Kind::pi, {}, 0, {}};
    if (known(kFunctions, word)) return at_ = end, function(word);
    if (word.size() > kMaxProductLetters) throw NoExpression{};
    return symbol(text_[at_++]);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  int nodes_ = 0;
  bool in_angle_ = false;  ///< within the argument of one of kOfAngles
};

/// Words such as "east" and "no" are not products of letters.
bool is_words(std::string_view text) {
  const bool sign = std::any_of(text.begin(), text.end(), [](char c) { return !is_letter(c) && c != ' '; });
  return !sign && trim_blanks(text).size() > 1;
}

}  // namespace

std::optional<MathExpression> parse_math_expression(std::string_view text) {
  if (text.size() > kMaxAnswerBytes || is_words(text)) return std::nullopt;
  try {
    return Parser(text).whole();
  } catch (const NoExpression&) {
    return std::nullopt;
  }
}

}  // namespace mathtrap

#include "prompts/jinja/expression_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace mathtrap::jinja {
namespace {

template <typename... Operands>
std::vector<Expression> operands(Operands&&... each) {
  std::vector<Expression> list;
  list.reserve(sizeof...(each));
  (list.push_back(std::forward<Operands>(each)), ...);
  return list;
}

}  // namespace

ExpressionParser::Level::Level(const ExpressionParser& parser, int& level) : level_(level) {
  if (++level_ > kMaxNesting) parser.refuse(fmt::format("the template is nested deeper than {}", kMaxNesting));
}

bool ExpressionParser::skip_symbol(std::string_view text) {
  const bool there = is_symbol(text);
  if (there) take();
  return there;
}

bool ExpressionParser::skip_name(std::string_view text) {
  const bool there = is_name(text);
  if (there) take();
  return there;
}

void ExpressionParser::expect_symbol(std::string_view text) {
  if (!skip_symbol(text)) refuse(fmt::format("\"{}\" is wanted, not {}", text, shown()));
}

std::string ExpressionParser::expect_any_name() {
  if (now().kind != TokenKind::name) refuse(fmt::format("a name is wanted, not {}", shown()));
  return take().text;
}

std::string ExpressionParser::shown() const {
  switch (now().kind) {
    case TokenKind::end:
      return "the end of the template";
    case TokenKind::block_end:
      return "\"%}\"";
    case TokenKind::output_end:
      return "\"}}\"";
    case TokenKind::string:
      return "a string";
    default:
      return fmt::format("\"{}\"", now().text);
  }
}

/// An expression of these operands; its depth is known from theirs.
Expression ExpressionParser::make(ExpressionKind kind, const Position& at, std::vector<Expression> operands,
                                  std::string name) {
  Expression expression{kind, at, std::move(name), {}, std::move(operands), {}, {}, 1};
  for (const Expression& operand : expression.operands) {
    expression.depth = std::max(expression.depth, operand.depth + 1);
  }
  if (expression.depth > kMaxNesting) {
    fail_at(place_, at, fmt::format("the expression is nested deeper than {}", kMaxNesting));
  }
  return expression;
}

Expression ExpressionParser::literal(const Position& at, Value value) {
  Expression expression = make(ExpressionKind::literal, at, {});
  expression.value = std::move(value);
  return expression;
}

/// One expression, or several with commas between them: a tuple.
Expression ExpressionParser::parse_tuple(bool with_condition) {
  const Position at = now().at;
  const auto next = [&] { return with_condition ? parse_expression() : parse_or(); };
  std::vector<Expression> items = operands(next());
  bool is_tuple = false;
  while (skip_symbol(",")) {
    is_tuple = true;
    if (ends_tuple()) break;
    items.push_back(next());
  }
  if (!is_tuple) return std::move(items.front());
  return make(ExpressionKind::tuple, at, std::move(items));
}

bool ExpressionParser::ends_tuple() const {
  return now().kind == TokenKind::block_end || now().kind == TokenKind::output_end || is_symbol(")");
}

Expression ExpressionParser::parse_expression() {
  const Level level(*this, level_);
  Expression expression = parse_or();
  while (is_name("if")) {
    const Position at = take().at;
    std::vector<Expression> parts = operands(std::move(expression), parse_or());
    if (skip_name("else")) parts.push_back(parse_expression());
    expression = make(ExpressionKind::conditional, at, std::move(parts));
  }
  return expression;
}

Expression ExpressionParser::parse_or() {
  Expression left = parse_and();
  while (is_name("or")) left = parse_right(std::move(left), &ExpressionParser::parse_and);
  return left;
}

Expression ExpressionParser::parse_and() {
  Expression left = parse_not();
  while (is_name("and")) left = parse_right(std::move(left), &ExpressionParser::parse_not);
  return left;
}

/// The operator and what stands behind it.
Expression ExpressionParser::parse_right(Expression left, Expression (ExpressionParser::*parse)()) {
  const Token token = take();
  Expression right = (this->*parse)();
  return make(ExpressionKind::binary, token.at, operands(std::move(left), std::move(right)), token.text);
}

Expression ExpressionParser::parse_not() {
  if (!is_name("not")) return parse_comparison();
  const Level level(*this, level_);
  const Position at = take().at;
  return make(ExpressionKind::unary, at, operands(parse_not()), "not");
}

Expression ExpressionParser::parse_comparison() {
  const Position at = now().at;
  std::vector<Expression> items = operands(parse_sum());
  std::vector<std::string> operators;
  while (true) {
    const bool negated = is_name("not") && after().kind == TokenKind::name && after().text == "in";
    if (negated) {
      take();
      take();
      operators.emplace_back("not in");
    } else if (is_name("in") || is_symbol("==") || is_symbol("!=") || is_symbol("<") || is_symbol(">") ||
               is_symbol("<=") || is_symbol(">=")) {
      operators.push_back(take().text);
    } else {
      break;
    }
    items.push_back(parse_sum());
  }
  if (operators.empty()) return std::move(items.front());
  Expression expression = make(ExpressionKind::comparison, at, std::move(items));
  expression.operators = std::move(operators);
  return expression;
}

Expression ExpressionParser::parse_sum() {
  Expression left = parse_concatenation();
  while (is_symbol("+") || is_symbol("-")) left = parse_right(std::move(left), &ExpressionParser::parse_concatenation);
  return left;
}

Expression ExpressionParser::parse_concatenation() {
  Expression left = parse_product();
  while (is_symbol("~")) left = parse_right(std::move(left), &ExpressionParser::parse_product);
  return left;
}

Expression ExpressionParser::parse_product() {
  Expression left = parse_filtered();
  while (is_symbol("*") || is_symbol("/") || is_symbol("//") || is_symbol("%")) {
    left = parse_right(std::move(left), &ExpressionParser::parse_filtered);
  }
  if (is_symbol("**")) refuse("the operator ** is not supported");
  return left;
}

Expression ExpressionParser::parse_filtered() {
  Expression expression = parse_signed();
  while (true) {
    if (is_symbol("|")) {
      expression = parse_filter(std::move(expression));
    } else if (is_name("is")) {
      expression = parse_test(std::move(expression));
    } else if (is_symbol("(")) {
      expression = parse_call(std::move(expression));
    } else {
      return expression;
    }
  }
}

/// A sign binds looser than attributes and tighter than filters.
Expression ExpressionParser::parse_signed() {
  if (!is_symbol("-") && !is_symbol("+")) return parse_postfix(parse_primary());
  const Level level(*this, level_);
  const Token token = take();
  return make(ExpressionKind::unary, token.at, operands(parse_signed()), token.text);
}

Expression ExpressionParser::parse_postfix(Expression expression) {
  while (true) {
    if (is_symbol(".")) {
      expression = parse_attribute(std::move(expression));
    } else if (is_symbol("[")) {
      expression = parse_subscript(std::move(expression));
    } else if (is_symbol("(")) {
      expression = parse_call(std::move(expression));
    } else {
      return expression;
    }
  }
}

Expression ExpressionParser::parse_attribute(Expression of) {
  const Position at = take().at;
  if (now().kind == TokenKind::integer) {
    return make(ExpressionKind::item, at, operands(std::move(of), parse_number()));
  }
  return make(ExpressionKind::attribute, at, operands(std::move(of)), expect_any_name());
}

Expression ExpressionParser::parse_subscript(Expression of) {
  const Position at = take().at;
  std::vector<Expression> parts = operands(std::move(of));
  const auto bound = [&] {
    const bool absent = is_symbol(":") || is_symbol("]");
    parts.push_back(absent ? literal(now().at, make_none()) : parse_expression());
  };
  if (is_symbol("]")) refuse("a subscript is wanted");
  bound();
  const bool is_slice = is_symbol(":");
  if (is_slice) {
    take();
    bound();
    if (skip_symbol(":")) {
      bound();
    } else {
      parts.push_back(literal(now().at, make_none()));
    }
  }
  expect_symbol("]");
  return make(is_slice ? ExpressionKind::slice : ExpressionKind::item, at, std::move(parts));
}

/// Arguments in brackets, put behind the first operand.
Expression ExpressionParser::parse_arguments(ExpressionKind kind, const Position& at, Expression first,
                                             std::string name) {
  std::vector<Expression> parts = operands(std::move(first));
  std::vector<std::string> keywords;
  expect_symbol("(");
  while (!is_symbol(")")) {
    if (parts.size() > 1) {
      expect_symbol(",");
      if (is_symbol(")")) break;
    }
    if (is_symbol("*") || is_symbol("**")) refuse("arguments with * are not supported");
    const bool named = now().kind == TokenKind::name && after().kind == TokenKind::symbol && after().text == "=";
    if (named) {
      keywords.push_back(take().text);
      take();
    } else if (!keywords.empty()) {
      refuse("an argument without a name stands behind one with a name");
    }
    parts.push_back(parse_expression());
  }
  expect_symbol(")");
  Expression expression = make(kind, at, std::move(parts), std::move(name));
  expression.keywords = std::move(keywords);
  return expression;
}

Expression ExpressionParser::parse_call(Expression called) {
  return parse_arguments(ExpressionKind::call, now().at, std::move(called), "");
}

Expression ExpressionParser::parse_filter(Expression of) {
  take();
  const Position at = now().at;
  std::string name = expect_any_name();
  if (is_symbol("(")) return parse_arguments(ExpressionKind::filter, at, std::move(of), std::move(name));
  return make(ExpressionKind::filter, at, operands(std::move(of)), std::move(name));
}

Expression ExpressionParser::parse_test(Expression of) {
  take();
  const Position at = now().at;
  const bool negated = skip_name("not");
  std::string name = expect_any_name();
  Expression test;
  if (is_symbol("(")) {
    test = parse_arguments(ExpressionKind::test, at, std::move(of), std::move(name));
  } else if (begins_argument()) {
    if (is_name("is")) refuse("two tests cannot follow each other");
    Expression argument = parse_postfix(parse_primary());
    test = make(ExpressionKind::test, at, operands(std::move(of), std::move(argument)), std::move(name));
  } else {
    test = make(ExpressionKind::test, at, operands(std::move(of)), std::move(name));
  }
  return negated ? make(ExpressionKind::unary, at, operands(std::move(test)), "not") : test;
}

/// Whether a test's one argument follows without brackets.
bool ExpressionParser::begins_argument() const {
  switch (now().kind) {
    case TokenKind::name:
      return now().text != "else" && now().text != "or" && now().text != "and";
    case TokenKind::string:
    case TokenKind::integer:
    case TokenKind::real:
      return true;
    default:
      return is_symbol("[") || is_symbol("{");
  }
}

Expression ExpressionParser::parse_number() {
  const Token token = take();
  const char* end = token.text.data() + token.text.size();
  if (token.kind == TokenKind::integer) {
    std::int64_t number = 0;
    if (std::from_chars(token.text.data(), end, number).ec != std::errc()) {
      fail_at(place_, token.at, "the number is too large");
    }
    return literal(token.at, make_integer(number));
  }
  double number = 0;
  if (std::from_chars(token.text.data(), end, number).ec != std::errc()) {
    fail_at(place_, token.at, "the number is too large");
  }
  return literal(token.at, {number});
}

Expression ExpressionParser::parse_primary() {
  const Position at = now().at;
  switch (now().kind) {
    case TokenKind::name:
      return parse_name();
    case TokenKind::string: {
      std::string text;
      while (now().kind == TokenKind::string) text += take().text;
      return literal(at, make_text(std::move(text)));
    }
    case TokenKind::integer:
    case TokenKind::real:
      return parse_number();
    default:
      break;
  }
  if (skip_symbol("(")) return parse_in_brackets(at);
  if (skip_symbol("[")) return parse_list(at);
  if (skip_symbol("{")) return parse_mapping(at);
  refuse(fmt::format("an expression is wanted, not {}", shown()));
}

Expression ExpressionParser::parse_name() {
  const Token token = take();
  const std::string& name = token.text;
  if (name == "true" || name == "True") return literal(token.at, make_bool(true));
  if (name == "false" || name == "False") return literal(token.at, make_bool(false));
  if (name == "none" || name == "None") return literal(token.at, make_none());
  return make(ExpressionKind::variable, token.at, {}, name);
}

Expression ExpressionParser::parse_in_brackets(const Position& at) {
  if (skip_symbol(")")) return make(ExpressionKind::tuple, at, {});
  Expression inner = parse_tuple();
  expect_symbol(")");
  return inner;
}

Expression ExpressionParser::parse_list(const Position& at) {
  std::vector<Expression> items;
  while (!is_symbol("]")) {
    if (!items.empty()) {
      expect_symbol(",");
      if (is_symbol("]")) break;
    }
    items.push_back(parse_expression());
  }
  expect_symbol("]");
  return make(ExpressionKind::list, at, std::move(items));
}

Expression ExpressionParser::parse_mapping(const Position& at) {
  std::vector<Expression> items;
  while (!is_symbol("}")) {
    if (!items.empty()) {
      expect_symbol(",");
      if (is_symbol("}")) break;
    }
    items.push_back(parse_expression());
    expect_symbol(":");
    items.push_back(parse_expression());
  }
  expect_symbol("}");
  return make(ExpressionKind::mapping, at, std::move(items));
}

}  // namespace mathtrap::jinja

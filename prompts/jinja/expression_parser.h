// Expressions of a template, from tokens. The rungs of precedence are Jinja2's, from the loosest: conditional, or, and,
// not, comparison, sum, concatenation, product, sign, then attributes, filters and tests.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "prompts/jinja/syntax.h"

namespace mathtrap::jinja {

inline constexpr int kMaxNesting = 64;  // of expressions, and of blocks; well-known templates reach about ten

class ExpressionParser {
 public:
  /// `place` must outlive the parser.
  ExpressionParser(std::vector<Token> tokens, const Place& place) : tokens_(std::move(tokens)), place_(place) {}

 protected:
  /// Counts the levels that the parser itself has gone down.
  class Level {
   public:
    /// Throws Error beyond kMaxNesting.
    Level(const ExpressionParser& parser, int& level);
    ~Level() { --level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int& level_;
  };

  const Token& now() const { return tokens_[at_]; }
  const Token& after() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  /// The token, and on to the next; the last one stays.
  Token take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool is_symbol(std::string_view text) const { return now().kind == TokenKind::symbol && now().text == text; }
  bool is_name(std::string_view text) const { return now().kind == TokenKind::name && now().text == text; }
  bool skip_symbol(std::string_view text);
  bool skip_name(std::string_view text);
  void expect_symbol(std::string_view text);
  std::string expect_any_name();

  /// Throws Error at the token.
  [[noreturn]] void refuse(const std::string& message) const { fail_at(place_, now().at, message); }
  /// The token, for messages.
  std::string shown() const;

  /// One expression, or several with commas between them: a tuple. Without conditions "if" ends it.
  Expression parse_tuple(bool with_condition = true);
  Expression parse_expression();

  const Place& place() const { return place_; }

 private:
  Expression make(ExpressionKind kind, const Position& at, std::vector<Expression> operands, std::string name = "");
  Expression literal(const Position& at, Value value);
  bool ends_tuple() const;
  Expression parse_or();
  Expression parse_and();
  Expression parse_right(Expression left, Expression (ExpressionParser::*parse)());
  Expression parse_not();
  Expression parse_comparison();
  Expression parse_sum();
  Expression parse_concatenation();
  Expression parse_product();
  Expression parse_filtered();
  Expression parse_signed();
  Expression parse_postfix(Expression expression);
  Expression parse_attribute(Expression of);
  Expression parse_subscript(Expression of);
  Expression parse_arguments(ExpressionKind kind, const Position& at, Expression first, std::string name);
  Expression parse_call(Expression called);
  Expression parse_filter(Expression of);
  Expression parse_test(Expression of);
  bool begins_argument() const;
  Expression parse_number();
  Expression parse_primary();
  Expression parse_name();
  Expression parse_in_brackets(const Position& at);
  Expression parse_list(const Position& at);
  Expression parse_mapping(const Position& at);

  std::vector<Token> tokens_;
  const Place& place_;
  std::size_t at_ = 0;
  int level_ = 0;
};

}  // namespace mathtrap::jinja

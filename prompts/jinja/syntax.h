// What a template is read into: tokens, and the tree of its statements and expressions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "prompts/jinja/value.h"
#include "support/error.h"

namespace mathtrap::jinja {

/// In the template's source, counted from 1; columns in bytes.
struct Position {
  std::size_t line = 1;
  std::size_t column = 1;
};

/// Throws Error: "file:line: column N: message", and for a template that is a field of a file "file: field: line L,
/// column N: message".
[[noreturn]] void fail_at(const Place& place, const Position& at, const std::string& message);

enum class TokenKind {
  text,
  block_begin,
  block_end,
  output_begin,
  output_end,
  name,
  string,
  integer,
  real,
  symbol,
  end
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  ///< of a string its value
  Position at;
};

/// Splits a template the way Jinja2 does with trim_blocks and lstrip_blocks, as transformers sets them. Throws Error.
std::vector<Token> split_tokens(std::string_view source, const Place& place);

enum class ExpressionKind {
  literal,      ///< `value`
  variable,     ///< `name`
  list,         ///< operands
  tuple,        ///< operands
  mapping,      ///< operands: key, value, key, value, …
  attribute,    ///< operands[0].name
  item,         ///< operands[0][operands[1]]
  slice,        ///< operands[0][operands[1]:operands[2]:operands[3]]; an absent bound is the literal none
  call,         ///< operands[0](arguments)
  filter,       ///< operands[0] | name(arguments)
  test,         ///< operands[0] is name(arguments)
  unary,        ///< name operands[0]: "-", "+" or "not"
  binary,       ///< operands[0] name operands[1]: arithmetic, "~", "and", "or"
  comparison,   ///< operands[0] operators[0] operands[1] operators[1] operands[2] …
  conditional,  ///< operands[0] if operands[1] else operands[2], which may be absent
};

struct Expression {
  ExpressionKind kind = ExpressionKind::literal;
  Position at;
  std::string name;
  Value value;
  std::vector<Expression> operands;
  /// Of calls, filters and tests: behind the first operand the positional arguments follow, then those with these
  /// names.
  std::vector<std::string> keywords;
  std::vector<std::string> operators;
  int depth = 1;  ///< levels of the tree, this one included
};

/// What is assigned to: a variable, or an attribute of a namespace.
struct Target {
  std::string name;
  std::string attribute;  ///< empty: the variable itself
};

enum class StatementKind {
  text,            ///< `text`
  output,          ///< {{ expressions[0] }}
  condition,       ///< bodies[i] where expressions[i] holds; one more body: else
  loop,            ///< for targets in expressions[0] if expressions[1]: bodies[0], else bodies[1]
  assignment,      ///< set targets = expressions[0]
  capture,         ///< set targets[0] = the text of bodies[0]
  macro,           ///< `text` is its name, targets its parameters, expressions the defaults of the last of these
  leave_loop,      ///< break
  next_iteration,  ///< continue
};

struct Statement {
  StatementKind kind = StatementKind::text;
  Position at;
  std::string text;
  std::vector<Target> targets;
  std::vector<Expression> expressions;
  std::vector<std::vector<Statement>> bodies;
};

/// Throws Error on what is no Jinja2, on constructs that are not supported, and on more than 256 KiB.
std::vector<Statement> parse_statements(std::string_view source, const Place& place);

}  // namespace mathtrap::jinja

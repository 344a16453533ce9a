// The blocks of a template: statements, from tokens.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "prompts/jinja/expression_parser.h"

namespace mathtrap::jinja {
namespace {

bool is_reserved(std::string_view name) {
  static constexpr std::array<std::string_view, 13> kReserved = {
      "true", "false", "none", "True", "False", "None", "not", "and", "or", "in", "is", "if", "else"};
  return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
}

class StatementParser final : private ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  std::vector<Statement> run() { return parse_body({}); }

 private:
  using Names = std::vector<std::string_view>;

  void expect_name(std::string_view text) {
    if (!skip_name(text)) refuse(fmt::format("\"{}\" is wanted, not {}", text, shown()));
  }
  void expect_block_end() {
    if (now().kind != TokenKind::block_end) refuse(fmt::format("\"%}}\" is wanted, not {}", shown()));
    take();
  }

  /// Statements up to a block of one of these names, whose name is taken; without names, up to the template's end.
  std::vector<Statement> parse_body(const Names& ends, std::string* end = nullptr) {
    const Level level(*this, level_);
    std::vector<Statement> statements;
    while (now().kind != TokenKind::end) {
      if (now().kind == TokenKind::text) {
        const Token token = take();
        statements.push_back({StatementKind::text, token.at, token.text, {}, {}, {}});
      } else if (now().kind == TokenKind::output_begin) {
        const Token token = take();
        statements.push_back({StatementKind::output, token.at, "", {}, {}, {}});
        statements.back().expressions.push_back(parse_tuple());
        if (now().kind != TokenKind::output_end) refuse(fmt::format("\"}}}}\" is wanted, not {}", shown()));
        take();
      } else {
        take();
        if (now().kind == TokenKind::name && std::find(ends.begin(), ends.end(), now().text) != ends.end()) {
          *end = take().text;
          return statements;
        }
        parse_block(statements);
      }
    }
    if (!ends.empty()) refuse(fmt::format("{{% {} %}} is missing", ends.back()));
    return statements;
  }

  void parse_block(std::vector<Statement>& to) {
    const Position at = now().at;
    const std::string name = expect_any_name();
    if (name == "if") return to.push_back(parse_condition(at));
    if (name == "for") return to.push_back(parse_loop(at));
    if (name == "set") return to.push_back(parse_assignment(at));
    if (name == "macro") return to.push_back(parse_macro(at));
    if (name == "break" || name == "continue") {
      if (loops_ == 0) fail_at(place(), at, fmt::format("\"{}\" stands outside of a loop", name));
      expect_block_end();
      const StatementKind kind = name == "break" ? StatementKind::leave_loop : StatementKind::next_iteration;
      return to.push_back({kind, at, "", {}, {}, {}});
    }
    if (name == "generation") {  // transformers' mark around what the model says; nothing of it is seen
      expect_block_end();
      std::string end;
      for (Statement& statement : parse_body({"endgeneration"}, &end)) to.push_back(std::move(statement));
      return expect_block_end();
    }
    fail_at(place(), at,
            fmt::format("the block \"{}\" is not supported; if, for, set, macro, break, continue and generation are",
                        name));
  }

  Statement parse_condition(const Position& at) {
    Statement statement{StatementKind::condition, at, "", {}, {}, {}};
    std::string end = "elif";
    while (end == "elif") {
      statement.expressions.push_back(parse_tuple());
      expect_block_end();
      statement.bodies.push_back(parse_body({"elif", "else", "endif"}, &end));
    }
    if (end == "else") {
      expect_block_end();
      statement.bodies.push_back(parse_body({"endif"}, &end));
    }
    expect_block_end();
    return statement;
  }

  Statement parse_loop(const Position& at) {
    Statement statement{StatementKind::loop, at, "", {}, {}, {}};
    statement.targets = parse_targets("in");
    for (const Target& target : statement.targets) {
      if (!target.attribute.empty() || target.name == "loop")
        fail_at(place(), at, "a loop needs a variable of its own");
    }
    expect_name("in");
    statement.expressions.push_back(parse_tuple(false));
    if (skip_name("if")) statement.expressions.push_back(parse_expression());
    if (is_name("recursive")) refuse("recursive loops are not supported");
    expect_block_end();
    std::string end;
    ++loops_;
    statement.bodies.push_back(parse_body({"else", "endfor"}, &end));
    --loops_;
    if (end == "else") {
      expect_block_end();
      statement.bodies.push_back(parse_body({"endfor"}, &end));
    }
    expect_block_end();
    return statement;
  }

  Statement parse_assignment(const Position& at) {
    Statement statement{StatementKind::assignment, at, "", {}, {}, {}};
    statement.targets = parse_targets("=");
    if (skip_symbol("=")) {
      statement.expressions.push_back(parse_tuple());
      expect_block_end();
      return statement;
    }
    if (is_symbol("|")) refuse("a filter on a block of \"set\" is not supported");
    if (statement.targets.size() != 1) refuse("\"=\" is wanted");
    statement.kind = StatementKind::capture;
    expect_block_end();
    std::string end;
    statement.bodies.push_back(parse_body({"endset"}, &end));
    expect_block_end();
    return statement;
  }

  std::vector<Target> parse_targets(std::string_view end) {
    std::vector<Target> targets;
    const bool in_brackets = skip_symbol("(");
    do {
      if (!targets.empty() && (is_symbol(")") || is_name(end) || is_symbol(end))) break;
      if (is_reserved(now().text)) refuse(fmt::format("nothing can be assigned to \"{}\"", now().text));
      Target target{expect_any_name(), ""};
      if (skip_symbol(".")) target.attribute = expect_any_name();
      targets.push_back(std::move(target));
    } while (skip_symbol(","));
    if (in_brackets) expect_symbol(")");
    return targets;
  }

  Statement parse_macro(const Position& at) {
    Statement statement{StatementKind::macro, at, expect_any_name(), {}, {}, {}};
    expect_symbol("(");
    while (!is_symbol(")")) {
      if (!statement.targets.empty()) expect_symbol(",");
      statement.targets.push_back({expect_any_name(), ""});
      if (skip_symbol("=")) {
        statement.expressions.push_back(parse_expression());
      } else if (!statement.expressions.empty()) {
        refuse("a parameter without a default stands behind one with a default");
      }
    }
    expect_symbol(")");
    expect_block_end();
    std::string end;
    const int loops_around = std::exchange(loops_, 0);
    statement.bodies.push_back(parse_body({"endmacro"}, &end));
    loops_ = loops_around;
    expect_block_end();
    return statement;
  }

  int level_ = 0;  ///< of blocks inside of blocks
  int loops_ = 0;
};

}  // namespace

std::vector<Statement> parse_statements(std::string_view source, const Place& place) {
  return StatementParser(split_tokens(source, place), place).run();
}

}  // namespace mathtrap::jinja

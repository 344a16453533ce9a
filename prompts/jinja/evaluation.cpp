#include "prompts/jinja/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "prompts/jinja/builtins.h"

namespace mathtrap::jinja {
namespace {

constexpr std::size_t kMaxWork = std::size_t{64} << 20;  // a long conversation takes a hundredth of it
constexpr std::size_t kMaxOutputBytes = kMaxWeight;
constexpr std::size_t kStepWork = 16;  // of one expression or statement
constexpr int kMaxLevels = 300;        // of statements, expressions and macros inside of each other

/// How a statement ends.
enum class Flow { next, leave_loop, next_iteration };

class Evaluation {
 public:
  Evaluation(const Json& variables, const std::string& date) : date_(date) {
    scopes_.emplace_back();
    for (const auto& [name, value] : variables.items()) scopes_.back()[name] = value_of(value);
  }

  std::string run(const std::vector<Statement>& statements) {
    run_body(statements);
    return std::move(output_);
  }

  /// Where the rendering is.
  const Position& at() const { return at_; }

 private:
  using Scope = std::map<std::string, Value>;

  class Level {
   public:
    explicit Level(int& level) : level_(level) {
      if (++level_ <= kMaxLevels) return;
      --level_;
      throw Failure(fmt::format("the template goes deeper than {} levels", kMaxLevels));
    }
    ~Level() { --level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int& level_;
  };

  // Statements.

  Flow run_body(const std::vector<Statement>& statements) {
    const Level level(level_);
    for (const Statement& statement : statements) {
      at_ = statement.at;
      work_.charge(kStepWork);
      const Flow flow = run_statement(statement);
      if (flow != Flow::next) return flow;
    }
    return Flow::next;
  }

  Flow run_statement(const Statement& statement) {
    switch (statement.kind) {
      case StatementKind::text:
        write(statement.text);
        return Flow::next;
      case StatementKind::output:
        write(to_text(evaluate(statement.expressions.front())));
        return Flow::next;
      case StatementKind::condition:
        return run_condition(statement);
      case StatementKind::loop:
        return run_loop(statement);
      case StatementKind::assignment:
        assign(statement.targets, evaluate(statement.expressions.front()));
        return Flow::next;
      case StatementKind::capture:
        assign(statement.targets, capture(statement.bodies.front()));
        return Flow::next;
      case StatementKind::macro:
        scopes_.back()[statement.text] = {std::shared_ptr<const Statement>(std::shared_ptr<void>(), &statement)};
        return Flow::next;
      case StatementKind::leave_loop:
        return Flow::leave_loop;
      case StatementKind::next_iteration:
        return Flow::next_iteration;
    }
    return Flow::next;
  }

  void write(const std::string& text) {
    work_.charge(text.size());
    output_ += text;
    if (output_.size() > kMaxOutputBytes) {
      throw Failure(fmt::format("the template writes more than {} bytes", kMaxOutputBytes));
    }
  }

  Flow run_condition(const Statement& statement) {
    for (std::size_t i = 0; i < statement.expressions.size(); ++i) {
      if (is_true(evaluate(statement.expressions[i]))) return run_body(statement.bodies[i]);
    }
    if (statement.bodies.size() > statement.expressions.size()) return run_body(statement.bodies.back());
    return Flow::next;
  }

  std::vector<Value> items_of(const Value& value) {
    work_.charge(weight(value) * (text_of(value) != nullptr ? 32 : 1));
    return elements_of(value);
  }

  /// The items that a loop takes, which its condition may leave out.
  std::vector<Value> loop_items(const Statement& statement) {
    std::vector<Value> items = items_of(evaluate(statement.expressions.front()));
    if (statement.expressions.size() == 1) return items;
    std::vector<Value> kept;
    for (Value& each : items) {
      scopes_.emplace_back();
      assign(statement.targets, each);
      if (is_true(evaluate(statement.expressions.back()))) kept.push_back(std::move(each));
      scopes_.pop_back();
    }
    return kept;
  }

  static Value describe_loop(const std::vector<Value>& items, std::size_t i) {
    const auto number = [](std::size_t value) { return make_integer(static_cast<std::int64_t>(value)); };
    return make_mapping({{"index", number(i + 1)},
                         {"index0", number(i)},
                         {"revindex", number(items.size() - i)},
                         {"revindex0", number(items.size() - i - 1)},
                         {"first", make_bool(i == 0)},
                         {"last", make_bool(i + 1 == items.size())},
                         {"length", number(items.size())},
                         {"previtem", i == 0 ? make_undefined("there is no previous item") : items[i - 1]},
                         {"nextitem", i + 1 == items.size() ? make_undefined("there is no next item") : items[i + 1]}});
  }

  Flow run_loop(const Statement& statement) {
    const std::vector<Value> items = loop_items(statement);
    for (std::size_t i = 0; i < items.size(); ++i) {
      work_.charge(kStepWork);
      scopes_.emplace_back();
      assign(statement.targets, items[i]);
      scopes_.back()["loop"] = describe_loop(items, i);
      const Flow flow = run_body(statement.bodies.front());
      scopes_.pop_back();
      if (flow == Flow::leave_loop) break;
    }
    if (!items.empty() || statement.bodies.size() == 1) return Flow::next;
    scopes_.emplace_back();
    const Flow flow = run_body(statement.bodies.back());
    scopes_.pop_back();
    return flow;
  }

  void assign_one(const Target& target, const Value& value) {
    if (target.attribute.empty()) {
      scopes_.back()[target.name] = value;
      return;
    }
    Namespace* names = namespace_of(look_up(target.name));
    if (names == nullptr) throw Failure(fmt::format("\"{}\" is no namespace: nothing can be set in it", target.name));
    if (namespace_of(value) != nullptr) throw Failure("a namespace inside of another value is not supported");
    names->attributes[target.attribute] = value;
  }

  void assign(const std::vector<Target>& targets, const Value& value) {
    if (targets.size() == 1) return assign_one(targets.front(), value);
    const std::vector<Value> values = items_of(value);
    if (values.size() != targets.size()) {
      throw Failure(fmt::format("{} values for {} names", values.size(), targets.size()));
    }
    for (std::size_t i = 0; i < targets.size(); ++i) assign_one(targets[i], values[i]);
  }

  /// What statements write, as a value.
  Value capture(const std::vector<Statement>& body) {
    std::string outside = std::exchange(output_, "");
    scopes_.emplace_back();
    run_body(body);
    scopes_.pop_back();
    return make_text(std::exchange(output_, std::move(outside)));
  }

  /// A macro sees the variables of the template, its parameters, and nothing of where it is called.
  Value call_macro(const Statement& macro, const Arguments& arguments) {
    std::vector<std::string_view> names;
    for (const Target& parameter : macro.targets) names.push_back(parameter.name);
    const auto bound = bind_arguments(arguments, names, fmt::format("the macro {}", macro.text));
    std::vector<Scope> caller = std::exchange(scopes_, {});
    scopes_.push_back(std::move(caller.front()));
    scopes_.emplace_back();
    const std::size_t without_default = names.size() - macro.expressions.size();
    for (std::size_t i = 0; i < names.size(); ++i) {
      Value value = make_undefined(std::string(names[i]));
      if (bound[i] != nullptr) {
        value = *bound[i];
      } else if (i >= without_default) {
        value = evaluate(macro.expressions[i - without_default]);
      }
      scopes_.back()[std::string(names[i])] = std::move(value);
    }
    Value text = capture(macro.bodies.front());
    caller.front() = std::move(scopes_.front());
    scopes_ = std::move(caller);
    return text;
  }

  // Expressions.

  Value look_up(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto found = scope->find(name);
      if (found != scope->end()) return found->second;
    }
    if (!is_function(name)) return make_undefined(name);
    return {Function{name}};
  }

  Value evaluate(const Expression& expression) {
    const Level level(level_);
    work_.charge(kStepWork);
    const std::vector<Expression>& operands = expression.operands;
    const auto operand = [&](std::size_t i) { return evaluate(operands[i]); };
    // A failure is told of the innermost expression that has it: the place is set again behind the operands.
    switch (expression.kind) {
      case ExpressionKind::literal:
        return expression.value;
      case ExpressionKind::variable:
        at_ = expression.at;
        return look_up(expression.name);
      case ExpressionKind::list:
        return make_list(evaluate_all(operands));
      case ExpressionKind::tuple:
        return make_list(evaluate_all(operands), Sequence::tuple);
      case ExpressionKind::mapping:
        return evaluate_mapping(expression);
      case ExpressionKind::attribute: {
        const Value object = operand(0);
        at_ = expression.at;
        return attribute(object, expression.name);
      }
      case ExpressionKind::item: {
        const Value object = operand(0);
        const Value key = operand(1);
        at_ = expression.at;
        if (text_of(object) != nullptr) work_.charge(16 * weight(object));
        return item(object, key);
      }
      case ExpressionKind::slice: {
        const std::vector<Value> values = evaluate_all(operands);
        at_ = expression.at;
        return slice(values[0], values[1], values[2], values[3], work_);
      }
      case ExpressionKind::call:
        return evaluate_call(expression);
      case ExpressionKind::filter: {
        const Value value = operand(0);
        const Arguments arguments = evaluate_arguments(expression);
        at_ = expression.at;
        return apply_filter(expression.name, value, arguments, work_);
      }
      case ExpressionKind::test: {
        const Value value = operand(0);
        const Arguments arguments = evaluate_arguments(expression);
        at_ = expression.at;
        return make_bool(apply_test(expression.name, value, arguments, work_));
      }
      case ExpressionKind::unary:
        return evaluate_unary(expression);
      case ExpressionKind::binary:
        return evaluate_binary(expression);
      case ExpressionKind::comparison:
        return evaluate_comparison(expression);
      case ExpressionKind::conditional:
        if (is_true(operand(1))) return operand(0);
        return operands.size() > 2 ? operand(2) : make_undefined("what an \"if\" without \"else\" leaves open");
    }
    return make_none();
  }

  std::vector<Value> evaluate_all(const std::vector<Expression>& expressions) {
    std::vector<Value> values;
    values.reserve(expressions.size());
    for (const Expression& expression : expressions) values.push_back(evaluate(expression));
    return values;
  }

  Value evaluate_mapping(const Expression& expression) {
    std::vector<std::pair<std::string, Value>> items;
    for (std::size_t i = 0; i < expression.operands.size(); i += 2) {
      const Value key = evaluate(expression.operands[i]);
      Value value = evaluate(expression.operands[i + 1]);
      at_ = expression.operands[i].at;
      if (text_of(key) == nullptr) throw Failure("keys of a dict other than texts are not supported");
      const auto known =
          std::find_if(items.begin(), items.end(), [&](const auto& item) { return item.first == *text_of(key); });
      work_.charge(items.size());
      if (known != items.end()) {
        known->second = std::move(value);
      } else {
        items.emplace_back(*text_of(key), std::move(value));
      }
    }
    return make_mapping(std::move(items));
  }

  /// All but the first operand; the last of them have names.
  Arguments evaluate_arguments(const Expression& expression) {
    Arguments arguments;
    const std::size_t first_named = expression.operands.size() - expression.keywords.size();
    for (std::size_t i = 1; i < expression.operands.size(); ++i) {
      Value value = evaluate(expression.operands[i]);
      if (i < first_named) {
        arguments.positional.push_back(std::move(value));
      } else {
        arguments.named.emplace_back(expression.keywords[i - first_named], std::move(value));
      }
    }
    return arguments;
  }

  Value evaluate_call(const Expression& expression) {
    const Expression& called = expression.operands.front();
    if (called.kind == ExpressionKind::attribute) {
      const Value object = evaluate(called.operands.front());
      const Arguments arguments = evaluate_arguments(expression);
      at_ = called.at;
      return call_method(object, called.name, arguments, work_);
    }
    const Value function = evaluate(called);
    const Arguments arguments = evaluate_arguments(expression);
    at_ = expression.at;
    if (const auto* known = std::get_if<Function>(&function.data)) {
      return call_function(known->name, arguments, date_, work_);
    }
    if (const auto* macro = std::get_if<std::shared_ptr<const Statement>>(&function.data)) {
      return call_macro(**macro, arguments);
    }
    if (is_undefined(function)) {
      throw Failure(fmt::format("\"{}\" is undefined", std::get<Undefined>(function.data).name));
    }
    throw Failure(fmt::format("a {} cannot be called", kind_name(function)));
  }

  Value evaluate_unary(const Expression& expression) {
    const Value value = evaluate(expression.operands.front());
    at_ = expression.at;
    if (expression.name == "not") return make_bool(!is_true(value));
    return calculate(expression.name, make_integer(0), value, work_);
  }

  Value evaluate_binary(const Expression& expression) {
    Value left = evaluate(expression.operands.front());
    if (expression.name == "and" && !is_true(left)) return left;
    if (expression.name == "or" && is_true(left)) return left;
    Value right = evaluate(expression.operands.back());
    if (expression.name == "and" || expression.name == "or") return right;
    at_ = expression.at;
    return calculate(expression.name, left, right, work_);
  }

  bool holds(const std::string& operation, const Value& a, const Value& b) {
    work_.charge_search(weight(a) + weight(b), std::min(weight(a), weight(b)));
    if (operation == "==") return are_equal(a, b);
    if (operation == "!=") return !are_equal(a, b);
    if (operation == "in") return is_in(a, b);
    if (operation == "not in") return !is_in(a, b);
    const int order = compare(a, b);
    if (operation == "<") return order < 0;
    if (operation == ">") return order > 0;
    return operation == "<=" ? order <= 0 : order >= 0;
  }

  Value evaluate_comparison(const Expression& expression) {
    Value left = evaluate(expression.operands.front());
    for (std::size_t i = 0; i < expression.operators.size(); ++i) {
      Value right = evaluate(expression.operands[i + 1]);
      at_ = expression.at;
      if (!holds(expression.operators[i], left, right)) return make_bool(false);
      left = std::move(right);
    }
    return make_bool(true);
  }

  std::vector<Scope> scopes_;
  std::string output_;
  Work work_{kMaxWork};
  int level_ = 0;
  Position at_;
  const std::string& date_;
};

}  // namespace

std::string render(const std::vector<Statement>& statements, const Json& variables, const std::string& date,
                   const Place& place) {
  Position at;
  std::string message;
  try {
    Evaluation evaluation(variables, date);
    try {
      return evaluation.run(statements);
    } catch (const Failure& failure) {
      at = evaluation.at();
      message = failure.what();
    }
  } catch (const Failure& failure) {
    fail(place, fmt::format("the conversation cannot be given to the template: {}", failure.what()));
  }
  fail_at(place, at, message);
}

}  // namespace mathtrap::jinja

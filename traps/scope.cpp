#include "traps/scope.h"

#include <fmt/format.h>

#include <algorithm>

namespace mathtrap {
namespace {

std::size_t add_name(Scope& scope, const std::string& name, const Place& place) {
  const auto well_formed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '.'; };
  if (!std::all_of(name.begin(), name.end(), well_formed)) fail(place, fmt::format("'{}' is not a name", name));
  const std::size_t cell = scope.names.size();
  if (!scope.names.emplace(name, cell).second) fail(place, fmt::format("'{}' is already defined", name));
  return cell;
}

/// The value of a string or integer; throws Error on all else.
Value simple_value(const toml::node& node, const Place& place) {
  if (node.is_string()) return node.as_string()->get();
  if (node.is_integer()) return Rational{node.as_integer()->get(), 1};
  fail(place, "a choice is a string, an integer or a table of these");
}

std::int64_t integer_field(const toml::table& table, const char* key, std::int64_t otherwise, const Place& place) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return otherwise;
  if (!node->is_integer()) fail(place, fmt::format("'{}' is not an integer", key));
  return node->as_integer()->get();
}

Slot read_range(Scope& scope, const std::string& name, const toml::table& range, const Place& place) {
  for (const auto& [key, value] : range) {
    if (key != "from" && key != "to" && key != "step")
      fail(place, fmt::format("unknown field '{}'; known: from, to, step", key.str()));
  }
  if (!range.contains("from") || !range.contains("to")) fail(place, "a range wants 'from' and 'to'");
  Slot slot;
  slot.from = integer_field(range, "from", 0, place);
  slot.to = integer_field(range, "to", 0, place);
  slot.step = integer_field(range, "step", 1, place);
  constexpr std::int64_t kLargest = 1'000'000'000;
  if (slot.from > slot.to) fail(place, "the range is empty");
  if (slot.step < 1) fail(place, "the step is not positive");
  if (slot.from < -kLargest || slot.to > kLargest) fail(place, "ranges lie between minus and plus 1000000000");
  slot.cells = {add_name(scope, name, place)};
  return slot;
}

Slot read_choice_of_tables(Scope& scope, const std::string& name, const toml::array& items, const Place& place) {
  Slot slot;
  std::vector<std::string> keys;
  for (const auto& [key, value] : *items.front().as_table()) {
    keys.emplace_back(key.str());
    slot.cells.push_back(add_name(scope, name + "." + keys.back(), place));
  }
  for (const toml::node& item : items) {
    const toml::table* table = item.as_table();
    if (table == nullptr || table->size() != keys.size()) fail(place, "all choices must have the same fields");
    std::vector<Value> row;
    for (const std::string& key : keys) {
      const toml::node* field = table->get(key);
      if (field == nullptr) fail(place, fmt::format("a choice lacks the field '{}'", key));
      row.push_back(simple_value(*field, place));
    }
    slot.choices.push_back(std::move(row));
  }
  return slot;
}

Slot read_slot(Scope& scope, const std::string& name, const TomlTable& slots) {
  const toml::node& node = *slots.table->get(name);
  const Place place = place_of(slots, name);
  if (node.is_table()) return read_range(scope, name, *node.as_table(), place);
  if (!node.is_array() || node.as_array()->empty()) fail(place, "a slot is a range {from, to} or a list of choices");
  const toml::array& items = *node.as_array();
  if (items.front().is_table()) return read_choice_of_tables(scope, name, items, place);
  Slot slot;
  slot.cells = {add_name(scope, name, place)};
  for (const toml::node& item : items) slot.choices.push_back({simple_value(item, place)});
  return slot;
}

Expression parse_at(const std::string& text, const Names& names, const Place& place) {
  try {
    return Expression::parse(text, names);
  } catch (const Error& error) {
    fail(place, error.what());
  }
}

}  // namespace

Scope read_scope(const TomlTable& table, const Scope* outer) {
  Scope scope;
  scope.place = place_of(table);
  if (outer != nullptr) {
    scope.names = outer->names;
    scope.outer_cells = outer->names.size();
  }
  if (const auto slots = subtable(table, "slots")) {
    for (const std::string& name : keys_in_file_order(*slots)) scope.slots.push_back(read_slot(scope, name, *slots));
  }
  if (const auto lets = subtable(table, "let")) {
    for (const std::string& name : keys_in_file_order(*lets)) {
      const Place place = place_of(*lets, name);
      Expression expression = parse_at(required_text(*lets, name), scope.names, place);
      scope.computed.push_back({add_name(scope, name, place), std::move(expression)});
    }
  }
  for (const std::string& text : text_list(table, "where")) {
    scope.conditions.push_back(parse_at(text, scope.names, place_of(table, "where")));
  }
  return scope;
}

bool draw(const Scope& scope, Random& random, std::vector<Value>& cells) {
  cells.resize(scope.names.size());
  for (const Slot& slot : scope.slots) {
    if (slot.choices.empty()) {
      const std::int64_t steps = random.uniform_int(0, (slot.to - slot.from) / slot.step);
      cells[slot.cells.front()] = Rational{slot.from + steps * slot.step, 1};
      continue;
    }
    const auto row =
        static_cast<std::size_t>(random.uniform_int(0, static_cast<std::int64_t>(slot.choices.size()) - 1));
    for (std::size_t i = 0; i < slot.cells.size(); ++i) cells[slot.cells[i]] = slot.choices[row][i];
  }
  const std::string* failing = nullptr;
  try {
    for (const ComputedValue& value : scope.computed) {
      failing = &value.expression.text();
      cells[value.cell] = value.expression.evaluate(cells);
    }
    for (const Expression& condition : scope.conditions) {
      failing = &condition.text();
      const Value holds = condition.evaluate(cells);
      if (!std::holds_alternative<bool>(holds)) throw Error("a condition must be true or false");
      if (!std::get<bool>(holds)) return false;
    }
  } catch (const Error& error) {
    fail(scope.place, fmt::format("in '{}': {}", *failing, error.what()));
  }
  return true;
}

}  // namespace mathtrap

#include "traps/scope.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace mathtrap {
namespace {

constexpr std::int64_t kMaxEnd = 1'000'000'000;  // of a range: sums and products of slots stay within 64 bits
constexpr std::array<std::string_view, 6> kReserved = {"and", "or", "not", "true", "false", "if"};

bool is_name(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto is_part = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  return !text.empty() && is_letter(text.front()) && std::all_of(text.begin(), text.end(), is_part) &&
         std::find(kReserved.begin(), kReserved.end(), text) == kReserved.end();
}

void check_name(const std::string& name, const Place& place) {
  if (!is_name(name))
    fail(place, fmt::format("\"{}\" is not a name: letters, digits and _, no word of the language", name));
}

std::size_t add_name(Scope& scope, const std::string& name, const Place& place) {
  const std::size_t cell = scope.names.size();
  if (!scope.names.emplace(name, cell).second) fail(place, fmt::format("\"{}\" is already defined", name));
  return cell;
}

Value simple_value(const toml::node& node, const Place& place) {
  if (node.is_string()) return node.as_string()->get();
  if (node.is_integer()) return Rational{node.as_integer()->get(), 1};
  fail(place, "a choice is a string, a whole number, or a table of these");
}

std::int64_t range_end(const toml::table& range, const char* key, const Place& place) {
  const toml::node* node = range.get(key);
  if (node == nullptr) fail(place, "a range is {from = …, to = …}, with step = … or without");
  if (!node->is_integer()) fail(place, fmt::format("\"{}\" is no whole number", key));
  const std::int64_t value = node->as_integer()->get();
  if (value < -kMaxEnd || value > kMaxEnd) fail(place, fmt::format("\"{}\" is beyond {}", key, kMaxEnd));
  return value;
}

Slot read_range(Scope& scope, const std::string& name, const TomlTable& slots) {
  const Place place = place_of(slots, name);
  const TomlTable range = subtable(slots, name).value();
  refuse_unknown(range, {"from", "to", "step"});
  Slot slot;
  slot.from = range_end(*range.table, "from", place);
  slot.to = range_end(*range.table, "to", place);
  if (range.table->contains("step")) slot.step = range_end(*range.table, "step", place);
  if (slot.from > slot.to) fail(place, fmt::format("the range from {} to {} is empty", slot.from, slot.to));
  if (slot.step < 1) fail(place, "the step is not positive");
  slot.cells = {add_name(scope, name, place)};
  return slot;
}

Slot read_choice_of_tables(Scope& scope, const std::string& name, const toml::array& items, const Place& place) {
  Slot slot;
  std::vector<std::string> keys;
  for (const auto& [key, value] : *items.front().as_table()) {
    keys.emplace_back(key.str());
    check_name(keys.back(), place);
    slot.cells.push_back(add_name(scope, fmt::format("{}.{}", name, keys.back()), place));
  }
  for (const toml::node& item : items) {
    const toml::table* table = item.as_table();
    if (table == nullptr || table->size() != keys.size()) fail(place, "all choices must have the same fields");
    std::vector<Value> row;
    for (const std::string& key : keys) {
      const toml::node* field = table->get(key);
      if (field == nullptr) fail(place, fmt::format("a choice lacks the field \"{}\"", key));
      row.push_back(simple_value(*field, place));
    }
    slot.choices.push_back(std::move(row));
  }
  return slot;
}

Slot read_slot(Scope& scope, const std::string& name, const TomlTable& slots) {
  const toml::node& node = *slots.table->get(name);
  const Place place = place_of(slots, name);
  check_name(name, place);
  if (node.is_table()) return read_range(scope, name, slots);
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

Value evaluate_at(const Expression& expression, const std::vector<Value>& cells, const Place& place) {
  try {
    return expression.evaluate(cells);
  } catch (const Error& error) {
    fail(place, fmt::format("in \"{}\": {}", expression.text(), error.what()));
  }
}

bool holds(const Condition& condition, const std::vector<Value>& cells) {
  const Value value = evaluate_at(condition.expression, cells, condition.place);
  if (const bool* truth = std::get_if<bool>(&value)) return *truth;
  fail(condition.place,
       fmt::format("\"{}\" is {}, true or false is wanted", condition.expression.text(), to_text(value)));
}

void draw_slot(const Slot& slot, Random& random, std::vector<Value>& cells) {
  if (slot.choices.empty()) {
    cells[slot.cells.front()] =
        Rational{slot.from + slot.step * random.uniform_int(0, (slot.to - slot.from) / slot.step), 1};
    return;
  }
  const auto last = static_cast<std::int64_t>(slot.choices.size()) - 1;
  const std::vector<Value>& row = slot.choices[static_cast<std::size_t>(random.uniform_int(0, last))];
  for (std::size_t i = 0; i < slot.cells.size(); ++i) cells[slot.cells[i]] = row[i];
}

}  // namespace

Scope read_scope(const TomlTable& table, const Scope* outer) {
  Scope scope;
  if (outer != nullptr) scope.names = outer->names;
  if (const auto slots = subtable(table, "slots")) {
    for (const std::string& name : keys_in_file_order(*slots)) scope.slots.push_back(read_slot(scope, name, *slots));
  }
  if (const auto lets = subtable(table, "let")) {
    for (const std::string& name : keys_in_file_order(*lets)) {
      const Place place = place_of(*lets, name);
      check_name(name, place);
      Expression expression = parse_at(required_text(*lets, name), scope.names, place);
      scope.computed.push_back({add_name(scope, name, place), std::move(expression), place});
    }
  }
  for (const std::string& text : text_list(table, "where")) {
    const Place place = place_of(table, "where");
    scope.conditions.push_back({parse_at(text, scope.names, place), place});
  }
  // Cells are numbered as they are filled, so the highest one that a condition reads says when it can be looked at.
  std::stable_sort(scope.conditions.begin(), scope.conditions.end(), [](const Condition& a, const Condition& b) {
    return a.expression.cells_read() < b.expression.cells_read();
  });
  return scope;
}

bool draw(const Scope& scope, Random& random, std::vector<Value>& cells) {
  cells.resize(scope.names.size());
  for (const Slot& slot : scope.slots) draw_slot(slot, random, cells);
  auto condition = scope.conditions.begin();
  const auto hold_up_to = [&](std::size_t filled) {
    for (; condition != scope.conditions.end() && condition->expression.cells_read() <= filled; ++condition) {
      if (!holds(*condition, cells)) return false;
    }
    return true;
  };
  for (const ComputedValue& value : scope.computed) {
    if (!hold_up_to(value.cell)) return false;
    cells[value.cell] = evaluate_at(value.expression, cells, value.place);
  }
  return hold_up_to(cells.size());
}

}  // namespace mathtrap

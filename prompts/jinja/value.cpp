#include "prompts/jinja/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "prompts/jinja/characters.h"

namespace mathtrap::jinja {
namespace {

constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxKeys = 1000;      // keys are looked for one after the other
constexpr std::size_t kElementWeight = 16;  // of a value that is no text, about its size in memory

int depth_of(const Value& value) {
  if (const List* list = list_of(value)) return list->depth;
  if (const Mapping* mapping = mapping_of(value)) return mapping->depth;
  return 0;
}

/// Adds an element to the weight and depth of what will hold it.
void take_in(const Value& item, std::size_t& weight_sum, int& depth) {
  if (namespace_of(item) != nullptr) throw Failure("a namespace inside of another value is not supported");
  weight_sum += weight(item);
  depth = std::max(depth, depth_of(item) + 1);
  if (weight_sum > kMaxWeight) throw Failure(fmt::format("a value larger than {} bytes", kMaxWeight));
  if (depth > kMaxDepth) throw Failure(fmt::format("a value nested deeper than {}", kMaxDepth));
}

std::string float_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", number);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

/// Python's repr() of a text: in single quotes, unless these would have to be escaped and double ones not.
std::string quoted(const std::string& text) {
  const bool has_single = text.find('\'') != std::string::npos;
  const char quote = has_single && text.find('"') == std::string::npos ? '"' : '\'';
  std::string literal(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') {
      literal += '\\';
      literal += c;
    } else if (c == '\n') {
      literal += "\\n";
    } else if (c == '\r') {
      literal += "\\r";
    } else if (c == '\t') {
      literal += "\\t";
    } else if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
      literal += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      literal += c;
    }
  }
  return literal += quote;
}

std::string json_quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void write_json(const Value& value, int indent, int level, std::string& to) {
  const auto new_line = [&](int depth) {
    if (indent >= 0) to.append(1, '\n').append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(depth), ' ');
  };
  const char* separator = indent >= 0 ? "," : ", ";
  if (const std::string* text = text_of(value)) {
    to += json_quoted(*text);
  } else if (is_none(value)) {
    to += "null";
  } else if (const bool* flag = std::get_if<bool>(&value.data)) {
    to += *flag ? "true" : "false";
  } else if (is_number(value)) {
    to += to_text(value);
  } else if (const List* list = placed_list_of(value)) {
    to += '[';
    for (std::size_t i = 0; i < list->items.size(); ++i) {
      if (i != 0) to += separator;
      new_line(level + 1);
      write_json(list->items[i], indent, level + 1, to);
    }
    if (!list->items.empty()) new_line(level);
    to += ']';
  } else if (const Mapping* mapping = mapping_of(value)) {
    to += '{';
    for (std::size_t i = 0; i < mapping->items.size(); ++i) {
      if (i != 0) to += separator;
      new_line(level + 1);
      to += json_quoted(mapping->items[i].first) + ": ";
      write_json(mapping->items[i].second, indent, level + 1, to);
    }
    if (!mapping->items.empty()) new_line(level);
    to += '}';
  } else {
    throw Failure(fmt::format("a {} cannot be written as JSON", kind_name(value)));
  }
}

int sign(double difference) {
  return difference < 0 ? -1 : static_cast<int>(difference > 0);
}

const std::int64_t* whole_of(const Value& value) {
  return std::get_if<std::int64_t>(&value.data);
}

int compare_numbers(const Value& a, const Value& b) {
  if (whole_of(a) != nullptr && whole_of(b) != nullptr) {
    return static_cast<int>(*whole_of(a) > *whole_of(b)) - static_cast<int>(*whole_of(a) < *whole_of(b));
  }
  return sign(number_of(a) - number_of(b));
}

}  // namespace

Value make_text(std::string text) {
  if (text.size() > kMaxWeight) throw Failure(fmt::format("a text longer than {} bytes", kMaxWeight));
  return {std::make_shared<const std::string>(std::move(text))};
}

Value make_list(std::vector<Value> items, Sequence kind) {
  auto list = std::make_shared<List>();
  list->weight = kElementWeight;
  for (const Value& item : items) take_in(item, list->weight, list->depth);
  list->items = std::move(items);
  list->kind = kind;
  return {std::shared_ptr<const List>(std::move(list))};
}

Value make_mapping(std::vector<std::pair<std::string, Value>> items) {
  auto mapping = std::make_shared<Mapping>();
  mapping->weight = kElementWeight;
  if (items.size() > kMaxKeys) throw Failure(fmt::format("a dict of more than {} keys", kMaxKeys));
  for (const auto& [key, item] : items) {
    mapping->weight += key.size();
    take_in(item, mapping->weight, mapping->depth);
  }
  mapping->items = std::move(items);
  return {std::shared_ptr<const Mapping>(std::move(mapping))};
}

Value make_bool(bool value) {
  return {value};
}
Value make_integer(std::int64_t value) {
  return {value};
}
Value make_undefined(std::string name) {
  return {Undefined{std::move(name)}};
}
Value make_none() {
  return {None{}};
}

Value value_of(const Json& json) {
  if (json.is_string()) return make_text(json.get<std::string>());
  if (json.is_boolean()) return make_bool(json.get<bool>());
  if (json.is_number_integer()) return make_integer(json.get<std::int64_t>());
  if (json.is_number()) return {json.get<double>()};
  if (json.is_array()) {
    std::vector<Value> items;
    for (const Json& item : json) items.push_back(value_of(item));
    return make_list(std::move(items));
  }
  if (json.is_object()) {
    std::vector<std::pair<std::string, Value>> items;
    for (const auto& [key, item] : json.items()) items.emplace_back(key, value_of(item));
    return make_mapping(std::move(items));
  }
  return make_none();
}

const std::string* text_of(const Value& value) {
  const auto* held = std::get_if<std::shared_ptr<const std::string>>(&value.data);
  return held == nullptr ? nullptr : held->get();
}

const List* list_of(const Value& value) {
  const auto* held = std::get_if<std::shared_ptr<const List>>(&value.data);
  return held == nullptr ? nullptr : held->get();
}

const List* placed_list_of(const Value& value) {
  const List* list = list_of(value);
  return list != nullptr && (list->kind == Sequence::list || list->kind == Sequence::tuple) ? list : nullptr;
}

const Mapping* mapping_of(const Value& value) {
  const auto* held = std::get_if<std::shared_ptr<const Mapping>>(&value.data);
  return held == nullptr ? nullptr : held->get();
}

Namespace* namespace_of(const Value& value) {
  const auto* held = std::get_if<std::shared_ptr<Namespace>>(&value.data);
  return held == nullptr ? nullptr : held->get();
}

bool is_undefined(const Value& value) {
  return std::holds_alternative<Undefined>(value.data);
}
bool is_none(const Value& value) {
  return std::holds_alternative<None>(value.data);
}
bool is_number(const Value& value) {
  return whole_of(value) != nullptr || std::holds_alternative<bool>(value.data) ||
         std::holds_alternative<double>(value.data);
}

std::string_view kind_name(const Value& value) {
  static constexpr std::string_view kNames[] = {
      "undefined value", "NoneType", "bool", "int", "float", "str", "list", "dict", "namespace", "macro", "function"};
  if (const List* list = list_of(value)) {
    if (list->kind == Sequence::tuple) return "tuple";
    if (list->kind == Sequence::view) return "view of a dict";
    if (list->kind == Sequence::generator) return "generator";
  }
  return kNames[value.data.index()];
}

std::size_t weight(const Value& value) {
  if (const std::string* text = text_of(value)) return text->size() + kElementWeight;
  if (const List* list = list_of(value)) return list->weight;
  if (const Mapping* mapping = mapping_of(value)) return mapping->weight;
  return kElementWeight;
}

bool is_true(const Value& value) {
  if (const std::string* text = text_of(value)) return !text->empty();
  if (const List* list = list_of(value)) return list->kind == Sequence::generator || !list->items.empty();
  if (const Mapping* mapping = mapping_of(value)) return !mapping->items.empty();
  if (is_number(value)) return number_of(value) != 0;
  return !is_undefined(value) && !is_none(value);
}

const Value* find_key(const Mapping& mapping, std::string_view key) {
  const auto found =
      std::find_if(mapping.items.begin(), mapping.items.end(), [&](const auto& item) { return item.first == key; });
  return found == mapping.items.end() ? nullptr : &found->second;
}

std::vector<Value> elements_of(const Value& value) {
  if (const List* list = list_of(value)) {
    if (list->kind != Sequence::generator) return list->items;
    return std::exchange(list->consumed, true) ? std::vector<Value>{} : list->items;
  }
  std::vector<Value> items;
  if (const Mapping* mapping = mapping_of(value)) {
    for (const auto& [key, item] : mapping->items) items.push_back(make_text(key));
  } else if (const std::string* text = text_of(value)) {
    for (const std::string_view character : characters(*text)) items.push_back(make_text(std::string(character)));
  } else if (!is_undefined(value)) {
    throw Failure(fmt::format("a {} cannot be gone through", kind_name(value)));
  }
  return items;
}

std::string to_text(const Value& value) {
  const std::string* text = text_of(value);
  return text != nullptr ? *text : to_literal(value);
}

std::string to_literal(const Value& value) {
  if (const std::string* text = text_of(value)) return quoted(*text);
  if (is_undefined(value)) return "";
  if (is_none(value)) return "None";
  if (const bool* flag = std::get_if<bool>(&value.data)) return *flag ? "True" : "False";
  if (whole_of(value) != nullptr) return std::to_string(*whole_of(value));
  if (is_number(value)) return float_text(number_of(value));
  std::vector<std::string> parts;
  if (const Mapping* mapping = mapping_of(value)) {
    for (const auto& [key, item] : mapping->items) {
      parts.push_back(fmt::format("{}: {}", quoted(key), is_undefined(item) ? "Undefined" : to_literal(item)));
    }
    return fmt::format("{{{}}}", fmt::join(parts, ", "));
  }
  const List* list = placed_list_of(value);
  if (list == nullptr) {
    throw Failure(fmt::format("a {} cannot be written as text", kind_name(value)));
  }
  for (const Value& item : list->items) parts.push_back(is_undefined(item) ? "Undefined" : to_literal(item));
  if (list->kind == Sequence::list) return fmt::format("[{}]", fmt::join(parts, ", "));
  return fmt::format("({}{})", fmt::join(parts, ", "), parts.size() == 1 ? "," : "");
}

std::string to_json_text(const Value& value, int indent) {
  std::string text;
  write_json(value, indent, 0, text);
  return text;
}

bool are_equal(const Value& a, const Value& b) {
  if (is_number(a) && is_number(b)) return compare_numbers(a, b) == 0;
  if (a.data.index() != b.data.index()) return false;
  if (text_of(a) != nullptr) return *text_of(a) == *text_of(b);
  if (is_undefined(a) || is_none(a)) return true;
  if (const List* left = list_of(a)) {
    const List* right = list_of(b);
    if (left->kind != right->kind || placed_list_of(a) == nullptr) return left == right;
    return std::equal(left->items.begin(), left->items.end(), right->items.begin(), right->items.end(), are_equal);
  }
  if (const Mapping* left = mapping_of(a)) {
    const Mapping* right = mapping_of(b);
    return left->items.size() == right->items.size() &&
           std::all_of(left->items.begin(), left->items.end(), [&](const auto& item) {
             const Value* other = find_key(*right, item.first);
             return other != nullptr && are_equal(item.second, *other);
           });
  }
  return namespace_of(a) == namespace_of(b);
}

int compare(const Value& a, const Value& b) {
  if (is_number(a) && is_number(b)) return compare_numbers(a, b);
  if (text_of(a) != nullptr && text_of(b) != nullptr) return text_of(a)->compare(*text_of(b));
  throw Failure(fmt::format("{} and {} have no order", kind_name(a), kind_name(b)));
}

bool is_in(const Value& item, const Value& container) {
  if (const std::string* text = text_of(container)) {
    if (text_of(item) == nullptr) throw Failure(fmt::format("a {} cannot be looked for in a str", kind_name(item)));
    return text->find(*text_of(item)) != std::string::npos;
  }
  if (const Mapping* mapping = mapping_of(container)) {
    return text_of(item) != nullptr && find_key(*mapping, *text_of(item)) != nullptr;
  }
  const std::vector<Value> items = elements_of(container);
  return std::any_of(items.begin(), items.end(), [&](const Value& other) { return are_equal(item, other); });
}

double number_of(const Value& value) {
  if (const bool* flag = std::get_if<bool>(&value.data)) return *flag ? 1 : 0;
  if (whole_of(value) != nullptr) return static_cast<double>(*whole_of(value));
  if (const double* number = std::get_if<double>(&value.data)) return *number;
  throw Failure(fmt::format("a {} is no number", kind_name(value)));
}

std::int64_t integer_of(const Value& value, std::string_view what) {
  if (const bool* flag = std::get_if<bool>(&value.data)) return *flag ? 1 : 0;
  if (whole_of(value) == nullptr) throw Failure(fmt::format("{}: an int is wanted, not a {}", what, kind_name(value)));
  return *whole_of(value);
}

}  // namespace mathtrap::jinja

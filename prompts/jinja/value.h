// Values of a template: what Jinja2 takes from Python, as far as chat templates use it. Values do not change once they
// are made, except for the attributes of a namespace, so copies share their contents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "support/json.h"

namespace mathtrap::jinja {

/// What goes wrong in a template's evaluation; the evaluation adds the place and makes an Error of it.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Undefined {
  std::string name;  ///< of what is not there, for messages
};
struct None {};
struct List;
struct Mapping;
struct Namespace;
struct Statement;

/// A function that every template can call, by its name.
struct Function {
  std::string_view name;
};

struct Value {
  std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>, std::shared_ptr<const Mapping>, std::shared_ptr<Namespace>,
               std::shared_ptr<const Statement>, Function>
      data;
};

/// Lists, tuples, views of a dict (its items(), keys() and values()) and generators differ in how they are written and
/// in what may be done with them.
enum class Sequence { list, tuple, view, generator };

struct List {
  std::vector<Value> items;
  Sequence kind = Sequence::list;
  std::size_t weight = 0;
  int depth = 1;
  mutable bool consumed = false;  ///< a generator gives its items once
};

struct Mapping {
  std::vector<std::pair<std::string, Value>> items;  ///< in the order in which they were put in; keys are unique
  std::size_t weight = 0;
  int depth = 1;
};

struct Namespace {
  std::map<std::string, Value> attributes;
};

/// A value of more than this is refused. It bounds every operation on one value.
inline constexpr std::size_t kMaxWeight = std::size_t{4} << 20;

/// Throw Failure when the value would be too large, or nested too deeply.
Value make_text(std::string text);
Value make_list(std::vector<Value> items, Sequence kind = Sequence::list);
Value make_mapping(std::vector<std::pair<std::string, Value>> items);
Value make_bool(bool value);
Value make_integer(std::int64_t value);
Value make_undefined(std::string name);
Value make_none();
Value value_of(const Json& json);

/// Null when the value is of another kind.
const std::string* text_of(const Value& value);
const List* list_of(const Value& value);
const Mapping* mapping_of(const Value& value);
Namespace* namespace_of(const Value& value);
/// A list or a tuple: what has places and is written as text. Null when the value is of another kind.
const List* placed_list_of(const Value& value);
bool is_undefined(const Value& value);
bool is_none(const Value& value);
bool is_number(const Value& value);  ///< true and false are numbers too, as in Python

/// Python's name of the kind: "str", "int", …
std::string_view kind_name(const Value& value);

/// Bytes and elements in the value and in all that it holds, at least 1.
std::size_t weight(const Value& value);

/// Python's truth of a value.
bool is_true(const Value& value);

/// Null when there is no such key.
const Value* find_key(const Mapping& mapping, std::string_view key);

/// What `for` goes through: items of a list, keys of a mapping, characters of a text, nothing of an undefined value.
/// Throws Failure for other kinds. A generator is empty when it was gone through before.
std::vector<Value> elements_of(const Value& value);

/// Python's str() and repr().
std::string to_text(const Value& value);
std::string to_literal(const Value& value);

/// As transformers' filter tojson writes it: Python's json.dumps with ensure_ascii=False; `indent` below 0: on one
/// line.
std::string to_json_text(const Value& value, int indent);

bool are_equal(const Value& a, const Value& b);
/// Below 0, 0 or above 0. Throws Failure when the two have no order.
int compare(const Value& a, const Value& b);
/// Python's `item in container`.
bool is_in(const Value& item, const Value& container);

/// Of numbers. Throw Failure when one is none.
double number_of(const Value& value);
std::int64_t integer_of(const Value& value, std::string_view what);

}  // namespace mathtrap::jinja

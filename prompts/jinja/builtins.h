// What templates find without defining it: filters, tests, methods of values, and functions. Each is Jinja2's or
// Python's of the same name; what is not supported throws Failure naming it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "prompts/jinja/value.h"

namespace mathtrap::jinja {

/// Work that a rendering may still do, in bytes that are looked at or made.
class Work {
 public:
  explicit Work(std::size_t units) : left_(units) {}
  /// Throws Failure when it is used up.
  void charge(std::size_t units);
  /// Of looking for a text inside of another, at worst.
  void charge_search(std::size_t text, std::size_t part);

 private:
  std::size_t left_;
};

/// Of a call: those by place, then those by name.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// The arguments of the parameters `names`, in their order; null where one is not given. Throws Failure naming `what`
/// when others are given, or one twice.
std::vector<const Value*> bind_arguments(const Arguments& arguments, const std::vector<std::string_view>& names,
                                         std::string_view what);

Value apply_filter(std::string_view name, const Value& value, const Arguments& arguments, Work& work);
bool apply_test(std::string_view name, const Value& value, const Arguments& arguments, Work& work);
/// object.name(arguments)
Value call_method(const Value& object, std::string_view name, const Arguments& arguments, Work& work);

bool is_function(std::string_view name);
/// `date` is the day that strftime_now takes for today's, as YYYY-MM-DD.
Value call_function(std::string_view name, const Arguments& arguments, const std::string& date, Work& work);

/// object.name: the attribute of a namespace, the value of a key, else undefined. Throws Failure for an undefined
/// object, and for a method that is not called.
Value attribute(const Value& object, std::string_view name);
/// object[key]: an item of a list or a text, the value of a key, else undefined. Throws Failure for an undefined
/// object.
Value item(const Value& object, const Value& key);
/// object[first:last:step] as Python counts; none for an absent bound.
Value slice(const Value& object, const Value& first, const Value& last, const Value& step, Work& work);

/// a OP b of "+", "-", "*", "/", "//", "%" and "~".
Value calculate(std::string_view operation, const Value& a, const Value& b, Work& work);

}  // namespace mathtrap::jinja

// The operators and functions of expressions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "traps/expression.h"

namespace mathtrap {

enum class Operator : std::uint16_t {
  plus,
  minus,
  times,
  divide,
  floor_divide,
  modulo,
  power,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
};

/// Throws Error on operands of the wrong kind, division by zero and values beyond 64 bits.
Value apply(Operator operation, const Value& left, const Value& right);

/// The value as a condition; throws Error when it is not true or false.
bool as_condition(const Value& value);
/// The value as a number; throws Error naming `user` when it is none.
const Rational& as_number(const Value& value, std::string_view user);

/// The number of a function, for `call`; nothing when there is none of this name.
std::optional<std::uint16_t> find_function(std::string_view name);
/// Throws Error when the function does not take so many values.
void check_arity(std::uint16_t function, std::size_t count);
Value call(std::uint16_t function, std::span<const Value> values);

}  // namespace mathtrap

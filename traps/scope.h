// What a family draws from: slots, values computed from them, and conditions that every draw must meet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/toml_fields.h"
#include "support/random.h"
#include "traps/expression.h"

namespace mathtrap {

/// Draws one row of `choices`, or a number of the range when there are none; fills `cells`.
struct Slot {
  std::vector<std::size_t> cells;
  std::vector<std::vector<Value>> choices;
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::int64_t step = 1;
};

struct ComputedValue {
  std::size_t cell = 0;
  Expression expression;
  Place place;
};

struct Condition {
  Expression expression;
  Place place;
};

struct Scope {
  Names names;  ///< of this scope and the one around it
  std::vector<Slot> slots;
  std::vector<ComputedValue> computed;
  std::vector<Condition> conditions;  ///< in the order in which the values they read are there
};

/// Reads `where`, [slots] and [let] of a table. `outer`, when given, is the scope around it: its names are known here
/// and may not be given again. Throws Error naming the place.
Scope read_scope(const TomlTable& table, const Scope* outer);

/// Fills `cells` behind the outer scope's with one draw. False when a condition does not hold; each is looked at as
/// soon as the values it reads are there, so that `where = ["b != 0"]` guards `a / b`. Throws Error naming the place of
/// an expression that fails.
bool draw(const Scope& scope, Random& random, std::vector<Value>& cells);

}  // namespace mathtrap

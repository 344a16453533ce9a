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
};

struct Scope {
  Names names;                  ///< of this scope and the one around it
  std::size_t outer_cells = 0;  ///< cells that the scope around it has filled
  std::vector<Slot> slots;
  std::vector<ComputedValue> computed;
  std::vector<Expression> conditions;
  Place place;  ///< for errors while drawing
};

/// Reads `where`, [slots] and [let] of a table. `outer`, when given, is the scope around it. Throws Error naming the
/// place.
Scope read_scope(const TomlTable& table, const Scope* outer);

/// Fills `cells` behind the outer scope's with one draw. False when a condition does not hold. Throws Error naming the
/// family's place when an expression fails.
bool draw(const Scope& scope, Random& random, std::vector<Value>& cells);

}  // namespace mathtrap

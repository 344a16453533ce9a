// Errors that a user can cause: one line that says what is wrong, where, and what to do. The program prints it and
// exits 2.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

namespace mathtrap {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Where in a user's file something stands. Empty parts are left out of the message.
struct Place {
  std::string file;
  std::size_t line = 0;  ///< counted from 1; 0: unknown
  std::string field;     ///< dotted path, such as "trap.explanation"
};

/// "file:line: field: message", with the parts that are known, on one line: control characters become "?", and what is
/// longer than 1,000 bytes is cut.
std::string describe(const Place& place, const std::string& message);

/// Throws Error(describe(place, message)).
[[noreturn]] void fail(const Place& place, const std::string& message);

}  // namespace mathtrap

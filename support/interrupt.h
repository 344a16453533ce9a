// SIGINT and SIGTERM: long work asks `interrupted()`, saves what it has, and stops. A second signal kills at once.
#pragma once

#include <stdexcept>

namespace mathtrap {

/// Ends, from within, work of which nothing is kept. The program says the message in one line and exits 1.
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

void install_interrupt_handler();
bool interrupted();

}  // namespace mathtrap

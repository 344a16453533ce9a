// SIGINT and SIGTERM: long work asks `interrupted()`, saves what it has, and stops. A second signal kills at once.
#pragma once

namespace mathtrap {

void install_interrupt_handler();
bool interrupted();

}  // namespace mathtrap

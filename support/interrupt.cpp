#include "support/interrupt.h"

#include <csignal>

namespace mathtrap {
namespace {

volatile std::sig_atomic_t interrupt_seen = 0;

void on_signal(int signal_number) {
  interrupt_seen = 1;
  std::signal(signal_number, SIG_DFL);
}

}  // namespace

void install_interrupt_handler() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupted() {
  return interrupt_seen != 0;
}

}  // namespace mathtrap

// libFuzzer's entry for the target named by the compile definition MATHTRAP_FUZZ_TARGET.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "support/log.h"
#include "tests/model/fuzz_targets.h"

namespace {

const mathtrap::FuzzTarget& find_target() {
  for (const mathtrap::FuzzTarget& target : mathtrap::fuzz_targets()) {
    if (std::string_view(target.name) == MATHTRAP_FUZZ_TARGET) return target;
  }
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const mathtrap::FuzzTarget& target = find_target();
  mathtrap::set_quiet(true);
  target.run({reinterpret_cast<const char*>(data), size});
  return 0;
}

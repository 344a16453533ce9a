// What the fuzzers run (tests/fuzz), and the tests run on a short corpus: each reader on bytes that may be anything.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mathtrap {

struct FuzzTarget {
  const char* name;
  /// Ends with the target's Error swallowed; anything else that goes wrong is a finding.
  void (*run)(std::string_view bytes);
  /// Small inputs that the reader accepts.
  std::vector<std::string> (*seeds)();
  /// Ending of the files in tests/golden/bad that are inputs too; empty: none.
  const char* ending;
};

std::span<const FuzzTarget> fuzz_targets();

}  // namespace mathtrap

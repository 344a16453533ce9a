#include "datasets/evidence.h"

#include <fmt/format.h>
#include <re2/re2.h>

namespace mathtrap {

void check_evidence(const std::string& pattern, const Place& place) {
  constexpr std::int64_t kMostMemory = std::int64_t{1} << 20;
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_max_mem(kMostMemory);
  const re2::RE2 compiled(pattern, options);
  if (!compiled.ok()) fail(place, fmt::format("not an RE2 pattern: {}", compiled.error()));
}

}  // namespace mathtrap

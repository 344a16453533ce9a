#include "support/random.h"

#include <cmath>
#include <numbers>

#include "support/hash.h"

namespace mathtrap {

std::uint64_t mix64(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

Random::Random(std::uint64_t seed, std::string_view stream) : state_(mix64(seed) ^ hash64(stream)) {}

std::uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15U;
  return mix64(state_);
}

std::int64_t Random::uniform_int(std::int64_t low, std::int64_t high) {
  const std::uint64_t count = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  if (count == 0) return static_cast<std::int64_t>(next());
  // Values below the threshold would make the first ones more likely; they are drawn again.
  const std::uint64_t threshold = (0 - count) % count;
  std::uint64_t value = next();
  while (value < threshold) value = next();
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + value % count);
}

double Random::uniform() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

double Random::normal() {
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

}  // namespace mathtrap

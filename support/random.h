// Random numbers that are the same on every machine and library: a seed, a stream name, and SplitMix64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace mathtrap {

/// The output function of SplitMix64 (Steele, Lea, Flood 2014): a bijection that mixes all bits.
std::uint64_t mix64(std::uint64_t value);

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  /// An independent stream per name: what one part draws does not shift what another draws.
  Random(std::uint64_t seed, std::string_view stream);

  std::uint64_t next();
  /// Uniform in [low, high], without bias. Requires low <= high.
  std::int64_t uniform_int(std::int64_t low, std::int64_t high);
  /// Uniform in [0, 1), 53 bits.
  double uniform();
  /// Standard normal (Box–Muller).
  double normal();

  template <typename T>
  void shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) {
      std::swap(items[i - 1], items[static_cast<std::size_t>(uniform_int(0, static_cast<std::int64_t>(i) - 1))]);
    }
  }

  /// The whole state: a Random made from it goes on with the same numbers.
  std::uint64_t state() const { return state_; }

 private:
  std::uint64_t state_;
};

}  // namespace mathtrap

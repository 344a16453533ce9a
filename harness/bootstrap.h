// The cluster bootstrap of the ratio of two proportions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "harness/statistics.h"

namespace mathtrap {

inline constexpr std::size_t kBootstrapResamples = 4000;

struct BootstrapInterval {
  double low = 0;
  std::optional<double> high;  ///< nothing: unbounded
  std::size_t resamples = 0;
  std::size_t without_value = 0;  ///< resamples in which the ratio does not exist
};

/// 95% percentile interval of numerator / denominator (Efron 1979), with clusters drawn whole and with replacement, as
/// many as there are (Davison and Hinkley 1997, section 3.8), over the clusters of either side in the order of their
/// names. One stream of random numbers, drawn in one thread: the same outcomes in any order and the same seed give the
/// same interval on every machine.
///
/// A resample has no ratio when no success is in its denominator, or one side is empty. It may hide any value, so it
/// counts against both limits; when more than 2.5% of the resamples are such the limits are 0 and unbounded.
///
/// Weak, and therefore not the interval that reports put first: without a success in the numerator all resamples are
/// 0, and so are both limits. In simulations of 278 worlds (20 to 300 originals with 1 to 5 variants) it covers the
/// truth in 43 to 99 of 100 runs, in fewer than 93 in every second world, and worst where successes are rare; the
/// interval of ratio_of (statistics.h) does in 91 to 100, and in 93 to 98 in nine of ten worlds.
BootstrapInterval bootstrap_ratio(std::span<const Outcome> numerator, std::span<const Outcome> denominator,
                                  std::uint64_t seed, std::size_t resamples = kBootstrapResamples);

}  // namespace mathtrap

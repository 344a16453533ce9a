// Does a trap reach other experts than its original? Distances between the loads of a mixture's experts, problem by
// problem, beside the distances between problems that differ in their numbers alone, and between different problems.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/statistics.h"

namespace mathtrap {

/// Jensen–Shannon divergence in bits (Lin 1991): H((p + q) / 2) - H(p) / 2 - H(q) / 2, from 0 (equal) to 1 (nothing in
/// common). p and q are loads or counts of the same experts, not negative; each is divided by its sum. 0 where one of
/// them is empty or sums to 0.
double jensen_shannon(std::span<const double> p, std::span<const double> q);

/// A prompt and where its tokens went.
struct RoutedPrompt {
  std::vector<std::vector<double>> load;           ///< [layers][E]: shares or counts
  std::vector<std::int32_t> tokens;                ///< ids
  std::vector<std::vector<std::uint16_t>> routes;  ///< [layers][tokens * k]: each token's experts, ascending
};

/// Of the last `ending` tokens of both prompts, the share of assignments that one has and the other has not: the mean
/// of 1 - |A and B| / k, A and B the experts of a token in either. The prompts have at least so many tokens, and k
/// experts each.
double rerouted_share(const RoutedPrompt& a, const RoutedPrompt& b, std::size_t layer, std::size_t ending);

/// An original and its trap.
struct PairedLoads {
  std::string problem;  ///< pairs of one original share it
  std::string unit;     ///< problems alike but for their numbers share it (their family); else the problem itself
  const RoutedPrompt* original = nullptr;
  const RoutedPrompt* trap = nullptr;
};

/// A mean over pairs with its 95% percentile interval: whole units are drawn with replacement, 2,000 times. No interval
/// where there are fewer than two units.
struct MeanDivergence {
  double mean = 0;
  std::optional<Interval> ci95;
};

/// One layer. A pair's distance to its siblings, or to strangers, is the mean of jensen_shannon between its original
/// and those of up to 8 pairs drawn by the seed, the same pairs at each layer.
struct LoadDivergence {
  MeanDivergence trap;                      ///< between a trap and its original
  std::optional<MeanDivergence> siblings;   ///< between originals of one unit that are different problems
  std::optional<MeanDivergence> strangers;  ///< between originals of different units
  /// trap - siblings, over the pairs that have siblings. Below 0: the trap moves its tokens less than other numbers do.
  std::optional<MeanDivergence> trap_less_siblings;
  /// The tokens with which the trap, the original and its siblings all end are the same: that they go to other experts
  /// is the work of what stands before them. rerouted_share over this ending; pairs without one do not count.
  std::optional<MeanDivergence> rerouted;
  std::optional<MeanDivergence> rerouted_siblings;
  std::optional<MeanDivergence> rerouted_less_siblings;
  std::vector<double> original_load;  ///< [E] mean over pairs
  std::vector<double> trap_load;      ///< [E] mean over pairs
  double shift = 0;                   ///< jensen_shannon of these two: what the traps have in common
  /// Of the hypothesis that it makes no difference which of the two is the trap: the share of 2,000 random exchanges of
  /// trap and original, whole units at once, whose shift is as large as this one's; the data themselves count as one.
  double shift_p = 1;
  double shift_holm_p = 1;  ///< corrected for the layers
};

struct LoadDivergences {
  std::size_t pairs = 0;
  std::size_t units = 0;
  double ending = 0;  ///< tokens that the prompts compared have in common at their ends, mean over pairs
  std::vector<LoadDivergence> layers;
};

/// Of all layers. The pairs have the same layers and experts. The same pairs in the same order and the same seed give
/// the same result on every machine.
LoadDivergences compare_loads(std::span<const PairedLoads> pairs, std::uint64_t seed);

}  // namespace mathtrap

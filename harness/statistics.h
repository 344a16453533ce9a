// Proportions and their intervals, for replies that come in clusters.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace mathtrap {

struct Interval {
  double low = 0;
  double high = 0;
};

/// One reply: whether it counts, and the original problem that it hangs on.
struct Outcome {
  std::string cluster;
  bool success = false;
};

struct Proportion {
  std::size_t n = 0;
  std::size_t successes = 0;
  std::size_t clusters = 0;
  double effective_n = 0;  ///< how many independent replies would tell as much
  double value = 0;        ///< successes / n; 0 when n is 0
  Interval ci95;           ///< Wilson's score interval with effective_n
};

/// Wilson's 95% score interval (Wilson 1927) of a proportion seen in `n` independent trials; [0, 1] when n is 0.
Interval wilson_interval(double proportion, double n);

/// Replies to variants of one original are alike, so they count as fewer: effective_n = n / deff, with the design
/// effect deff (Kish 1965) the cluster-robust variance of the mean over the variance of independent replies, and at
/// least 1. When every cluster has one reply it is n, and the interval is the plain Wilson interval. When all replies
/// are successes, or none, no variance is seen: then effective_n is the number of clusters.
Proportion proportion_of(std::span<const Outcome> outcomes);

/// Correlation of two means over the clusters that both have, -1 to 1; 0 where one of them has no spread.
double cluster_correlation(std::span<const Outcome> a, std::span<const Outcome> b);

struct Ratio {
  double value = 0;
  double low = 0;
  std::optional<double> high;  ///< nothing: unbounded, the denominator may be 0
};

/// numerator / denominator of two proportions seen on the same clusters, with a 95% interval by MOVER-R: the limits of
/// both proportions are put together as for a difference a - R b = 0, with their correlation over clusters (Donner and
/// Zou 2012, Stat Methods Med Res 21:347; Newcombe 2016, Stat Methods Med Res 25:1774). Unlike a bootstrap it stays an
/// interval when no trap at all was seen through. Nothing when the denominator is 0 or empty, or the numerator is
/// empty.
std::optional<Ratio> ratio_of(std::span<const Outcome> numerator, std::span<const Outcome> denominator);

}  // namespace mathtrap

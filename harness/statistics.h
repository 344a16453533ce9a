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
  /// Cluster-robust (Liang and Zeger 1986), with the factor G / (G - 1) of G clusters; 0 when no spread was seen.
  double standard_error = 0;
  Interval ci95;  ///< Wilson's score interval with effective_n
};

/// Wilson's 95% score interval (Wilson 1927) of a proportion seen in `n` independent trials; [0, 1] when n is 0.
Interval wilson_interval(double proportion, double n);

/// Replies to variants of one original are alike, so they count as fewer: effective_n = n / deff, with the design
/// effect deff (Kish 1965) the cluster-robust variance of the mean over the variance of independent replies, at least 1
/// and at most the size of the cluster in which an average reply finds itself. When every cluster has one reply it is
/// n, and the interval is the plain Wilson interval.
///
/// Few successes, or few failures, tell little of how alike the variants are, and a cluster-robust variance is then too
/// small: zero when there are none. So deff is estimated with half a cluster of right replies and half a cluster of
/// wrong ones beside the data, as one adds half a success to a small table. Where the data say nothing the variants
/// count as one reply, and where they say much the additions weigh nothing. Weak: where few replies
/// are right, or few wrong (accuracies within 10 points of 0 or 1 with 40 originals, within 3 with 100), intervals
/// cover 97 to 99%: too wide.
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

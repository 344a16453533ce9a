// Comparisons of two conditions on the same questions: two interventions of a run, or two runs.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/statistics.h"

namespace mathtrap {

/// One question under both conditions, and the original problem that it hangs on.
struct PairedOutcome {
  std::string cluster;
  bool before = false;
  bool after = false;
};

struct PairedComparison {
  std::size_t n = 0;
  std::size_t clusters = 0;
  double before = 0;      ///< accuracy
  double after = 0;       ///< accuracy
  double difference = 0;  ///< after - before
  /// By MOVER (Donner and Zou 2012, as in ratio_of): the Wilson limits of both accuracies with their effective sizes,
  /// put together with their correlation over clusters; for single replies a cluster it is Newcombe's method 10 (1998,
  /// Stat Med 17:2635) without its continuity correction.
  Interval ci95;
  std::size_t gained = 0;    ///< wrong before, right after
  std::size_t lost = 0;      ///< right before, wrong after
  double mcnemar_p = 1;      ///< exact, two-sided; it takes the questions for independent
  double mcnemar_mid_p = 1;  ///< the same with half the probability of what was seen
  double permutation_p = 1;  ///< exact, two-sided, by clusters: the one to report
  double holm_p = 1;         ///< permutation_p corrected for the comparisons made beside it
  /// The difference that data of this size and spread would show at the 5% level in 80 of 100 runs: 2.80 cluster-robust
  /// standard errors of the difference. Nothing when no question changed, so that no spread was seen.
  std::optional<double> detectable;
};

PairedComparison compare_paired(std::span<const PairedOutcome> outcomes);

/// Two-sided exact p of McNemar's test: a binomial test of `gained` in gained + lost at 1/2; 1 when both are 0.
double mcnemar_exact_p(std::size_t gained, std::size_t lost);
double mcnemar_mid_p(std::size_t gained, std::size_t lost);

/// Two-sided p of the sign-flip test: under the null hypothesis the sum of a cluster's differences is as likely as its
/// negative. The distribution of the sum over all flips is computed exactly, by convolution.
double sign_flip_p(std::span<const int> cluster_sums);

/// Holm's step-down correction (1979) of p values that are looked at together; in their order, at most 1.
std::vector<double> holm_corrected(std::span<const double> p_values);

/// Unbiased estimator of the chance that at least one of k replies is right, when `correct` of `n` were (Chen et al.
/// 2021, arXiv 2107.03374, equation 1). 1 <= k <= n.
double pass_at_k(std::size_t n, std::size_t correct, std::size_t k);

}  // namespace mathtrap

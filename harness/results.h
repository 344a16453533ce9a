// What a run found: accuracies with intervals, and the ratio trap / original. A function of the samples alone.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/bootstrap.h"
#include "harness/comparison.h"
#include "harness/composition.h"
#include "harness/sample.h"
#include "harness/statistics.h"
#include "support/json.h"

namespace mathtrap {

/// The replies of one arm under one intervention, of all trap types together or of one.
struct Group {
  Arm arm = Arm::original;
  std::string intervention;
  std::optional<TrapType> trap_type;  ///< nothing: all
  Proportion accuracy;                ///< correct and flaw_named, of the replies that have a score
  std::optional<Proportion> lenient;  ///< traps: `refused` counts as well
  std::map<Verdict, std::size_t> verdicts;
};

/// What several epochs say of the same questions.
struct EpochResults {
  Arm arm = Arm::original;
  std::string intervention;
  int epochs = 0;
  Proportion mean;      ///< of all replies that have a score
  Proportion majority;  ///< questions of which more than half of the replies that have a score are right
  /// pass@k for k = 1, 2, 4, … and the number of epochs (paired_statistics.h), mean over the questions.
  /// Replies without a score are no tries; a question with fewer tries than k counts with all of them.
  std::map<int, double> pass_at;
};

struct InterventionRatio {
  std::string intervention;
  std::optional<Ratio> ratio;   ///< strict trap accuracy / original accuracy; nothing when no original was solved
  BootstrapInterval bootstrap;  ///< of the same ratio, with the seed kRatioSeed
};

/// Fixed, so that the same samples give the same results.json.
inline constexpr std::uint64_t kRatioSeed = 0;

struct Results {
  std::string model;
  std::string dataset;
  std::vector<Group> groups;  ///< arms and interventions in the samples' order; after each arm's, the same by trap type
  std::vector<InterventionRatio> ratios;         ///< of the interventions under which both arms were asked
  std::vector<Composition> compositions;         ///< of the same interventions
  std::vector<EpochResults> epochs;              ///< empty when each question was asked once
  std::vector<ConditionComparison> comparisons;  ///< of the interventions with the first one
};

Results summarise(const std::string& model, const std::string& dataset, std::span<const Sample> samples);

/// {"model","dataset","groups":[{"arm","intervention","trap_type","n","correct","accuracy","ci95","unscored","cut_off","failed",
/// "clusters","effective_n","standard_error","verdicts", and for traps "lenient":{"correct","accuracy","ci95"}}],
/// "ratio":[{"intervention","value","ci95","method","bootstrap":{"method","ci95","resamples","without_value","seed"}}],
/// "composition":[…] (composition.h),"comparisons":[…] (comparison.h), and with several epochs "epochs":[{"arm",
/// "intervention","epochs","mean":{"n","correct","accuracy","ci95"},"majority":{…},"pass_at":{"1":…}}]}. A ratio
/// without a value is null and has no bootstrap, as is an unbounded limit.
Json to_json(const Results& results);

}  // namespace mathtrap

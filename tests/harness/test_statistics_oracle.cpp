// Statistics against scipy, statsmodels and scikit-learn: the cases of tests/golden/statistics.
#include <map>
#include <string>
#include <vector>

#include "harness/bootstrap.h"
#include "harness/calibration.h"
#include "harness/paired_statistics.h"
#include "harness/statistics.h"
#include "tests/catch.h"
#include "tests/harness/golden.h"

using namespace mathtrap;

namespace {

constexpr double kClose = 1e-9;

std::vector<Outcome> outcomes_of(const std::string& successes, const std::vector<int>& clusters) {
  std::vector<Outcome> made;
  for (std::size_t i = 0; i < successes.size(); ++i) {
    made.push_back({std::to_string(clusters.at(i)), successes[i] == '1'});
  }
  return made;
}

void check_wilson(const Json& fields) {
  const auto n = fields["n"].get<double>();
  const Interval interval = wilson_interval(fields["successes"].get<double>() / n, n);
  CHECK(interval.low == Approx(fields["ci95"][0].get<double>()).margin(kClose));
  CHECK(interval.high == Approx(fields["ci95"][1].get<double>()).margin(kClose));
}

void check_standard_error(const Json& fields) {
  const Proportion proportion =
      proportion_of(outcomes_of(json_string(fields, "successes", {}), fields["clusters"].get<std::vector<int>>()));
  CHECK(proportion.value == Approx(json_number(fields, "mean", {})).epsilon(kClose));
  CHECK(proportion.standard_error == Approx(json_number(fields, "standard_error", {})).epsilon(kClose));
}

void check_mcnemar(const Json& fields) {
  const auto gained = fields["gained"].get<std::size_t>();
  const auto lost = fields["lost"].get<std::size_t>();
  CHECK(mcnemar_exact_p(gained, lost) == Approx(json_number(fields, "exact_p", {})).epsilon(kClose));
  CHECK(mcnemar_mid_p(gained, lost) == Approx(json_number(fields, "mid_p", {})).epsilon(kClose));
}

void check_holm(const Json& fields) {
  const auto wanted = fields["corrected"].get<std::vector<double>>();
  const std::vector<double> corrected = holm_corrected(fields["p"].get<std::vector<double>>());
  REQUIRE(corrected.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(corrected[i] == Approx(wanted[i]).epsilon(kClose));
}

void check_kappa(const Json& fields) {
  // Any verdicts do for labels.
  const std::map<std::string, Verdict> verdicts = {{"a", Verdict::correct},       {"b", Verdict::incorrect},
                                                   {"c", Verdict::no_answer},     {"flaw_named", Verdict::flaw_named},
                                                   {"refused", Verdict::refused}, {"answered", Verdict::answered}};
  const auto first = fields["first"].get<std::vector<std::string>>();
  const auto second = fields["second"].get<std::vector<std::string>>();
  std::map<std::pair<Verdict, Verdict>, std::size_t> confusion;
  for (std::size_t i = 0; i < first.size(); ++i) ++confusion[{verdicts.at(first[i]), verdicts.at(second[i])}];
  CHECK(cohens_kappa(confusion) == Approx(json_number(fields, "kappa", {})).epsilon(kClose));
}

void check_detectable(const Json& fields) {
  const std::string before = json_string(fields, "before", {});
  const std::string after = json_string(fields, "after", {});
  std::vector<PairedOutcome> outcomes;
  for (std::size_t i = 0; i < before.size(); ++i) {
    outcomes.push_back({std::to_string(fields["clusters"][i].get<int>()), before[i] == '1', after[i] == '1'});
  }
  const PairedComparison compared = compare_paired(outcomes);
  CHECK(compared.difference == Approx(json_number(fields, "difference", {})).epsilon(kClose));
  CHECK(compared.detectable.value() == Approx(json_number(fields, "detectable", {})).epsilon(kClose));
}

void check_sign_flip(const Json& fields) {
  CHECK(sign_flip_p(fields["sums"].get<std::vector<int>>()) == Approx(json_number(fields, "p", {})).epsilon(kClose));
}

/// Both are made of random resamples: they agree up to the error of 40,000 of them.
void check_bootstrap(const Json& fields) {
  const auto traps = outcomes_of(json_string(fields, "traps", {}), fields["clusters"].get<std::vector<int>>());
  const std::string originals = json_string(fields, "originals", {});
  std::vector<int> names;
  for (std::size_t i = 0; i < originals.size(); ++i) names.push_back(static_cast<int>(i));
  const BootstrapInterval interval = bootstrap_ratio(traps, outcomes_of(originals, names), 1, 40'000);
  const double tolerance = 0.05 * json_number(fields, "spread", {});
  CHECK(interval.low == Approx(fields["ci95"][0].get<double>()).margin(tolerance));
  CHECK(interval.high.value() == Approx(fields["ci95"][1].get<double>()).margin(tolerance));
}

}  // namespace

TEST_CASE("statistics are those of scipy, statsmodels and scikit-learn") {
  const std::map<std::string, void (*)(const Json&)> checks = {
      {"wilson", check_wilson},       {"clustered_standard_error", check_standard_error},
      {"mcnemar", check_mcnemar},     {"holm", check_holm},
      {"cohen_kappa", check_kappa},   {"minimum_detectable_difference", check_detectable},
      {"sign_flip", check_sign_flip}, {"ratio_bootstrap", check_bootstrap},
  };
  std::map<std::string, int> seen;
  for_each_case(golden("statistics/oracle.jsonl"), [&](const Json& fields) {
    const std::string method = json_string(fields, "method", {});
    ++seen[method];
    checks.at(method)(fields);
  });
  CHECK(seen.size() == checks.size());
}

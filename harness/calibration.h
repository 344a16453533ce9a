// How far a judge agrees with people: on labelled replies (datasets/calibration), half of which are held back. Rules
// are changed by what the tuning half shows; the held-back half is only reported.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/judge_input.h"
#include "harness/judges.h"
#include "support/json.h"

namespace mathtrap {

/// Decided by a hash of the id alone, so that new cases move no old one.
bool held_back(std::string_view id);

/// A person's verdict beside a judge's.
struct LabelledVerdict {
  std::string id;
  Verdict label = Verdict::no_answer;
  Verdict verdict = Verdict::no_answer;
};

/// Of one verdict.
struct Retrieval {
  std::size_t labelled = 0;  ///< how often people give it, of the scored replies
  std::size_t given = 0;     ///< how often the judge does
  std::size_t both = 0;
};

/// From `low` to `high`, with 95% confidence.
struct KappaInterval {
  double low = 0;
  double high = 0;
};

struct Agreement {
  std::size_t n = 0;         ///< replies that the judge scored
  std::size_t unscored = 0;  ///< the others, which count nowhere else
  std::size_t agreed = 0;
  double kappa = 0;                                              ///< see cohens_kappa
  KappaInterval interval;                                        ///< of kappa
  std::map<std::pair<Verdict, Verdict>, std::size_t> confusion;  ///< by label and verdict
  std::map<Verdict, Retrieval> retrieval;                        ///< precision is both / given, recall both / labelled
};

/// Cohen's κ (J. Cohen 1960, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement
/// 20:37): (p_o - p_e) / (1 - p_e), with p_o the part that agrees and p_e what would agree by chance, the sum over all
/// verdicts of the product of both sides' shares. 1 when both sides give one and the same verdict throughout; 0 for
/// nothing.
double cohens_kappa(const std::map<std::pair<Verdict, Verdict>, std::size_t>& confusion);

/// κ ± 1.96 standard errors for many cases, within [-1, 1], by J. Fleiss, J. Cohen and B. Everitt 1969, "Large sample
/// standard errors of kappa and weighted kappa", Psychological Bulletin 72:323. Replies count as independent, so
/// several to one problem make the interval a little too narrow. All of [-1, 1] for nothing.
KappaInterval kappa_interval(const std::map<std::pair<Verdict, Verdict>, std::size_t>& confusion);

Agreement agreement_of(const std::vector<LabelledVerdict>& verdicts);

/// The shipped calibration files, in the order of their names.
std::vector<std::string> calibration_files();
/// The labelled replies of all files. Throws Error when a label is missing, or is none that the arm can have.
std::vector<JudgeInput> read_calibration(const std::vector<std::string>& files);

/// {"n","unscored","agreed","kappa","kappa_low","kappa_high","confusion":{label:{verdict:count}},"verdicts":{verdict:{"labelled","given",
/// "precision","recall"}}}; null where there is nothing to divide by.
Json to_json(const Agreement& agreement);
/// The same as a table for people.
std::string agreement_table(const Agreement& agreement);

}  // namespace mathtrap

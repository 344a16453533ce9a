// The asking of a plan's questions: turns and votes of each, verdicts as replies come, and the store that keeps them.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "harness/judges.h"
#include "harness/models_under_test.h"
#include "harness/plan.h"
#include "harness/run_store.h"
#include "harness/sample.h"

namespace mathtrap {

/// The plan's questions, and the samples that answer them so far.
class Progression {
 public:
  /// Takes over what the store has. Requests that failed are open; so are, unless `predict_only`, replies that were not
  /// judged. Throws Error when the store holds a question which the plan does not.
  Progression(const Plan& plan, const RunStore& store, bool predict_only);

  std::vector<std::size_t> open_questions() const;
  std::size_t done() const { return done_; }
  std::size_t total() const { return samples_.size(); }

  bool predict_only() const { return predict_only_; }
  /// Replies that wait for the judge, with their questions' places; they are handed over once.
  std::vector<std::pair<std::size_t, Sample>> take_unjudged();

  void put(std::size_t index, Sample sample);
  /// All samples, in the order of the plan; each must be there.
  std::vector<Sample> take();

 private:
  bool predict_only_;
  std::vector<std::optional<Sample>> samples_;
  std::vector<std::pair<std::size_t, Sample>> unjudged_;
  std::size_t done_ = 0;
};

/// Asks everything that is open and wants this adapter ("" for none), until all is answered or the run is interrupted
/// (support/interrupt.h): all first turns at once, then all second turns. A question is judged, unless the progression
/// is predict-only, and stored when its votes are complete; when one of its requests failed, it has failed.
void ask_open_questions(const Plan& plan, Progression& progression, ModelUnderTest& model, Judge& judge,
                        RunStore& store, const std::string& adapter = {});

}  // namespace mathtrap

// The asking of a plan's questions: turns and votes of each, verdicts as replies come, and the store that keeps them.
#pragma once

#include <cstddef>
#include <optional>
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
  /// Takes over what the store has. Throws Error when that holds a question which the plan does not.
  Progression(const Plan& plan, const RunStore& store);

  std::vector<std::size_t> open_questions() const;
  std::size_t done() const { return done_; }
  std::size_t total() const { return samples_.size(); }

  void put(std::size_t index, Sample sample);
  /// All samples, in the order of the plan; each must be there.
  std::vector<Sample> take();

 private:
  std::vector<std::optional<Sample>> samples_;
  std::size_t done_ = 0;
};

/// Asks everything that is open, until all is answered or the run is interrupted (support/interrupt.h): all first turns
/// at once, then all second turns. A question is judged and stored when its votes are complete.
void ask_open_questions(const Plan& plan, Progression& progression, ModelUnderTest& model, Judge& judge,
                        RunStore& store);

}  // namespace mathtrap

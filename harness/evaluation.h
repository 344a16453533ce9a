// A run from its arguments to its results: everything is resolved and checked before the first reply is asked for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/judges.h"
#include "harness/models_under_test.h"
#include "harness/plan.h"
#include "harness/prompt_form_choice.h"
#include "harness/run_store.h"
#include "support/json.h"

namespace mathtrap {

struct EvaluationOptions {
  std::string dataset = "families/organism:test";  ///< see choose_dataset
  std::vector<std::string> arms = {"original", "trap", "concept"};
  std::vector<std::string> interventions = {"none", "hint"};
  std::string shots = {};          ///< a data set for few-shot examples; empty: prompts/shots
  bool drop_contaminated = false;  ///< leave out problems that the shots show, else they are refused
  PromptFormChoice prompt_form = {};
  std::string cache = {};  ///< SQLite file for replies; empty: none
  int epochs = 1;          ///< how often each question is asked
  std::size_t limit = 0;   ///< records; 0: all (families: kDefaultInstances)
  std::uint64_t seed = 0;
  GenerationOptions generation;  ///< its seed is not used: `seed` is
  bool predict_only = false;     ///< store the replies, do not judge them
};

// The move of a Json throws nothing, but clang-tidy cannot see that.
struct PreparedEvaluation {  // NOLINT(bugprone-exception-escape)
  Plan plan;
  Json description;           ///< of everything but the model and the judge
  std::string cache;          ///< as in the options
  bool predict_only = false;  ///< no part of the description: the run may go on with the judge
};

/// Reads the data set, the prompts and the interventions, and makes the plan. Instances of families are proved, in
/// processes that are forked: call it before the program has threads. Throws Error.
PreparedEvaluation prepare_evaluation(const EvaluationOptions& options, const std::string& version);

/// Asks the model what the run in `folder` does not have yet, judges each reply as it comes and stores it. Returns the
/// finished run, or nothing when it was interrupted (support/interrupt.h): started again with the same folder it goes
/// on, and ends with the same results. A kill loses at most the judge's batch of replies. Requests to which no reply
/// came are stored as Verdict::failed and asked again when the folder is used again. A predict-only run has no
/// results.json; started again without that, it judges the replies that are there. Throws Error.
std::optional<StoredRun> run_evaluation(const PreparedEvaluation& evaluation, ModelUnderTest& model, Judge& judge,
                                        const std::filesystem::path& folder, const Json& arguments);
/// The same with the rules as judge.
std::optional<StoredRun> run_evaluation(const PreparedEvaluation& evaluation, ModelUnderTest& model,
                                        const std::filesystem::path& folder, const Json& arguments);

}  // namespace mathtrap

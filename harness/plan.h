// The plan of a run: every question that will be asked, before the first is. Records × arms × interventions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/record.h"
#include "harness/judge.h"
#include "model/engine.h"
#include "prompts/prompts.h"

namespace mathtrap {

struct PlanOptions {
  std::vector<Arm> arms;                    ///< in the order of the plan
  std::vector<Intervention> interventions;  ///< in the order of the plan
  PromptForm form;
  std::vector<Record> shots = {};  ///< from which few-shot examples are taken
  int epochs = 1;                  ///< how often each question is asked
  GenerationOptions generation;  ///< of every reply; the form's stop strings are added, the seed is mixed per question
};

struct Question {
  std::string id;  ///< "<record>/<arm>/<intervention>", of concepts "<record>/concept.<n>/<intervention>", n from 1; of
                   ///< later epochs with "#2", "#3", …
  int epoch = 0;   ///< counted from 0
  std::string intervention;
  std::optional<TrapType> trap_type;  ///< nothing when the question stands for records of several types
  std::string cluster;                ///< questions of one original share it
  Reference reference;                ///< and the arm
  GenerationRequest request;
  std::vector<Message> conversation;  ///< the turns of its prompt, where the form is a chat template
  /// Seeds of the replies that vote; one, that of the request, without a vote.
  std::vector<std::uint64_t> seeds;
  std::size_t intervention_place = 0;  ///< in the plan's interventions
};

struct Plan {
  PromptForm form;                          ///< for second turns
  std::vector<Intervention> interventions;  ///< in the order in which they were given
  std::vector<Question> questions;
  std::vector<std::string> notes;  ///< what a reader should know: questions left out, and why
};

/// Arms outermost, then interventions, then records. A question that stands in several records (the originals of the
/// public MathTrap set stand behind several traps) is asked once. Originals without a reference answer are left out,
/// with a note. The seed of a question depends on the run's seed, the record and the arm: the interventions draw the
/// same random numbers. Throws Error when there is nothing to ask, and when two interventions or arms are the same.
Plan make_plan(std::span<const Record> records, const PlanOptions& options);

/// What is asked in the second turn, after `reply` in the first; with the first one's seed. Throws Error when a chat
/// template refuses the conversation.
GenerationRequest make_second_turn(const Plan& plan, const Question& question, std::string_view reply);

/// Of all that decides the run's replies and verdicts, except the model.
std::string plan_sha256(const Plan& plan);

}  // namespace mathtrap

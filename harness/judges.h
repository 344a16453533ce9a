// Judges by name: the rules of judge.h, a language model, several that vote, or a model where the rules are unsure.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/judge.h"
#include "harness/models_under_test.h"
#include "support/json.h"

namespace mathtrap {

/// A reply that waits for its verdict. What it points to must outlive the call that judges it.
struct ReplyToJudge {
  const Reference* reference = nullptr;
  std::string_view reply;
  bool cut = false;  ///< see judge_reply
};

class Judge {
 public:
  virtual ~Judge() = default;

  /// What decides the verdicts: {"name", …}, with the hashes of models and prompts.
  virtual const Json& description() const = 0;

  /// How many replies to hand over at once: 1 where that gains nothing. Verdicts do not depend on it.
  virtual std::size_t batch() const = 0;

  /// Judgements in the order of the replies; nothing for those that an interrupt (support/interrupt.h) left undone.
  /// Throws Error.
  virtual std::vector<std::optional<Judgement>> judge(std::span<const ReplyToJudge> replies) = 0;
};

/// How a judge's "llm:" models are opened and asked.
struct JudgeOptions {
  EngineOptions engine;
  int max_new_tokens = 1024;                     ///< of a judge's reply
  Equivalence equivalence = Equivalence::value;  ///< by which the rules compare answers
  /// For tests; without it open_model.
  std::function<std::unique_ptr<ModelUnderTest>(const std::string& name)> open;
};

/// `name` is
///   rules             judge_reply
///   llm:M             the model M (open_model) by prompts/judges (model_judge.h)
///   vote:A,B,C        what more than half of the judges A, B, C say; else, ties included, unscored
///   cascade:A,B       A, and B where A is not sure or unscored
/// where A, B, C are rules or llm:M. Throws Error, also for an equivalence other than by value without any rules.
std::unique_ptr<Judge> open_judge(const std::string& name, const JudgeOptions& options);

/// Throws Error when there is no judge of this name, without opening its models.
void check_judge_name(const std::string& name);

std::unique_ptr<Judge> make_vote(std::vector<std::unique_ptr<Judge>> members);
std::unique_ptr<Judge> make_cascade(std::vector<std::unique_ptr<Judge>> members);

}  // namespace mathtrap

// One reply with its verdict: a line of samples.jsonl.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "datasets/record.h"
#include "harness/judge.h"
#include "prompts/prompts.h"

namespace mathtrap {

struct Sample {
  std::string id;  ///< of the question, unique in a run
  Arm arm = Arm::original;
  std::string intervention;
  std::optional<TrapType> trap_type;
  std::string cluster;
  std::string prompt;
  std::string reply;  ///< the completion alone, as valid UTF-8
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::string finish_reason;  ///< "stop", "length" or "error"
  Verdict verdict = Verdict::no_answer;
  std::string answer;     ///< as read from the reply
  std::string reason;     ///< of the verdict
  std::string reference;  ///< what the reply was judged against
};

/// One line without its end: {"id","arm","intervention","trap_type","cluster","prompt","reply","prompt_tokens",
/// "completion_tokens","finish_reason","verdict","correct","answer","reason","reference"}. "correct" is null when the
/// verdict is no score (is_scored).
std::string write_sample(const Sample& sample);
/// Throws Error naming the place and field.
Sample parse_sample(std::string_view line, const Place& place);

}  // namespace mathtrap

// One reply with its verdict: a line of samples.jsonl.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/record.h"
#include "harness/judge.h"
#include "prompts/prompts.h"
#include "support/json.h"

namespace mathtrap {

struct Sample {
  std::string id;  ///< of the question, unique in a run
  Arm arm = Arm::original;
  std::string intervention;
  std::optional<TrapType> trap_type;
  std::string cluster;
  int epoch = 0;  ///< counted from 0: which time the question is asked
  std::string prompt;
  std::string reply;                          ///< the completion alone, as valid UTF-8
  std::string first_reply = {};               ///< of two turns the first; `reply` is the second
  std::vector<std::string> other_votes = {};  ///< the replies that voted with this one
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::string finish_reason;  ///< "stop", "length" or "error"
  Verdict verdict = Verdict::no_answer;
  std::string answer;                 ///< as read from the reply
  std::string reason;                 ///< of the verdict
  std::string reference;              ///< what the reply was judged against
  std::string problem;                ///< as in the data set, without the prompt's frame
  std::vector<std::string> evidence;  ///< of traps, as in Reference
  std::vector<std::string> core;      ///< of traps, as in Reference
};

/// One line without its end: {"id","arm","intervention","trap_type","cluster","prompt","reply","prompt_tokens",
/// "completion_tokens","finish_reason","verdict","correct","answer","reason","reference","problem", and where they are
/// "evidence", "core", "epoch", "first_reply" and "other_votes"}. "correct" is null when the verdict is no score
/// (is_scored).
std::string write_sample(const Sample& sample);
/// Throws Error naming the place and field. The fields from "problem" on may be absent, as in runs of old.
Sample parse_sample(std::string_view line, const Place& place);

/// A list of strings; empty when the field is absent or null. Throws Error naming the place and field.
std::vector<std::string> text_list(const Json& object, const std::string& field, const Place& place);

}  // namespace mathtrap

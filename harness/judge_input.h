// Replies made elsewhere that wait for a verdict: lines of JSON, as a user writes them or as a run stored them.
#pragma once

#include <string>
#include <vector>

#include "harness/judge.h"

namespace mathtrap {

struct JudgeInput {
  std::string id;
  Reference reference;
  std::string response;
  bool cut = false;
  std::string label;  ///< of calibration files: what a person says; else empty
};

/// Reads {"id","arm","problem","reference","answer","response"}, of traps also "evidence" and "core", and "cut" (true
/// when the reply ended at the token limit) where it is known. `answer` is what originals and concepts are judged
/// against ("true" or "false" for the latter; JSON's true and false are fine); without it `reference` is. `reference`
/// of a trap explains the flaw; of an original that has an answer it is the worked solution. Lines of a run's
/// samples.jsonl, which have "reply" in place of "response", are judged against what they were judged against; those of
/// an old run, without "problem", against the prompt. "label" is kept. Throws Error naming file, line and field.
std::vector<JudgeInput> read_judge_input(const std::string& file);

}  // namespace mathtrap

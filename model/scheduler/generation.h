// Completions of many prompts.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/engine.h"
#include "model/network.h"
#include "model/scheduler/sequence_batch.h"
#include "model/tokenizer.h"

namespace mathtrap {

/// A prompt to complete, for all requests that are equal.
struct GenerationJob {
  std::vector<TokenId> prompt;
  bool empty_prompt = false;  ///< no token of a text: the reply begins one
  GenerationOptions options;
  std::vector<TokenId> stop_tokens;  ///< those of options.stop that are control tokens, which have no text
  std::int64_t longest = 0;          ///< tokens, prompt and reply
};

/// Calls `done` with each job's number and completion as it is final. Return false to stop. Also stops on an interrupt
/// (support/interrupt.h). `end_tokens` end a reply and are not in its text.
void run_generation(const Network& network, const Tokenizer& tokenizer, std::span<const GenerationJob> jobs,
                    std::span<const std::int64_t> end_tokens, const BatchLimits& limits,
                    const std::function<bool(std::size_t job, const Completion& completion)>& done);

}  // namespace mathtrap

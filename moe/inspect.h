// mathtrap moe inspect, the part that sees the model: a checkpoint is run over prompts or a text, and what its experts
// do is measured. Names no LibTorch type.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/tokenizer.h"
#include "moe/routing_measures.h"
#include "support/text_span.h"

namespace mathtrap {

/// A prompt as the engine takes it (GenerationRequest): special tokens count, but not those in `plain_text`.
struct InspectedPrompt {
  std::string text;
  std::vector<TextSpan> plain_text = {};
};

/// What is looked at: prompts, or where `file` is not empty a text in windows.
struct InspectionInput {
  std::vector<InspectedPrompt> prompts;
  std::string file;
  std::int64_t tokens = 100000;  ///< of the text, at most
  std::int64_t window = 512;     ///< tokens of the text that are computed together; at most the model's context
};

struct ExpertInspection {
  std::int64_t experts = 0;                         ///< E
  std::int64_t select = 0;                          ///< k
  std::int64_t shared_neurons = 0;                  ///< that every token activates
  std::string gate;                                 ///< "TopKBalancedNoisyGate", …
  bool has_logits = false;                          ///< else there is no entropy of gates
  std::vector<PromptRouting> prompts;               ///< of each prompt or window
  std::vector<std::vector<TokenId>> tokens;         ///< of each prompt or window
  std::vector<std::vector<std::int64_t>> together;  ///< [layers][E * E], as ObservedRouting's; may be empty
  std::vector<std::vector<double>> overlap;         ///< [layers][E * E], expert_overlap; empty for many experts
};

/// `model`: a path (model/model_path.h). Prompts are begun with begin-of-text as the engine does. Throws Error: a dense
/// model, a prompt that does not fit, a text of not one window.
ExpertInspection inspect_experts(const std::string& model, const InspectionInput& input);

}  // namespace mathtrap

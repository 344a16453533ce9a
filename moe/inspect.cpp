#include "moe/inspect.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/checkpoint.h"
#include "moe/observe_routing.h"
#include "moe/statistics.h"
#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 30;

TextWindows windows_of(const InspectionInput& input, const Tokenizer& tokenizer, TokenId begin,
                       const ModelConfig& config) {
  const std::int64_t least = begin >= 0 ? 2 : 1;
  if (input.window < least || input.tokens < least) {
    throw Error(fmt::format("--window {} --tokens {}: both must be at least {}", input.window, input.tokens, least));
  }
  const std::int64_t window = std::min(input.window, config.max_position_embeddings);
  return cut_windows(tokenizer, begin, read_file(input.file, kMaxTextBytes), window, input.tokens);
}

/// As the engine tokenises them: chat templates write begin-of-text themselves, and it is not put in front again.
TextWindows tokens_of(const std::vector<InspectedPrompt>& prompts, const Tokenizer& tokenizer, TokenId begin) {
  TextWindows all;
  for (const InspectedPrompt& prompt : prompts) {
    std::vector<TokenId>& tokens =
        all.emplace_back(tokenizer.encode(prompt.text, SpecialTokens::parsed, prompt.plain_text));
    if (begin >= 0 && (tokens.empty() || tokens.front() != begin)) tokens.insert(tokens.begin(), begin);
  }
  return all;
}

}  // namespace

ExpertInspection inspect_experts(const std::string& model, const InspectionInput& input) {
  const Checkpoint checkpoint = read_checkpoint(model);
  const ModelConfig& config = checkpoint.config;
  if (config.mixture.is_dense()) {
    fail({model, 0, ""}, "has no experts, its layers are dense; mathtrap moe construct makes a mixture of it");
  }
  const Tokenizer tokenizer(checkpoint.tokenizer_model, checkpoint.source);
  const TokenId begin = config.bos_token_id >= 0 ? static_cast<TokenId>(config.bos_token_id) : tokenizer.bos();
  if (begin >= config.vocab_size) {
    fail({checkpoint.source, 0, "bos_token_id"},
         fmt::format("{} is outside the vocabulary of {}", begin, config.vocab_size));
  }
  TextWindows prompts =
      input.file.empty() ? tokens_of(input.prompts, tokenizer, begin) : windows_of(input, tokenizer, begin, config);
  const Network network = make_network(checkpoint, "cpu");
  ObservedRouting observed = observe_routing(network, prompts);
  ExpertInspection inspection;
  inspection.experts = observed.experts;
  inspection.select = observed.select;
  inspection.shared_neurons = config.mixture.shared_size;
  inspection.gate = gate_name(config.mixture.gate);
  inspection.has_logits = observed.has_logits;
  inspection.prompts = std::move(observed.prompts);
  inspection.tokens = std::move(prompts);
  inspection.together = std::move(observed.together);
  if (observed.experts <= kMaxPairedExperts) {
    for (const LayerWeights& layer : network.layers) inspection.overlap.push_back(expert_overlap(layer.mixture));
  }
  return inspection;
}

}  // namespace mathtrap

// From logits to the next token. What is drawn depends on the logits, the options and the token's place, nothing else.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/engine.h"
#include "model/tokenizer.h"

namespace mathtrap {

/// Throws Error that names the option out of its range.
void check_generation_options(const GenerationOptions& options);

/// The likeliest token; of equals the one of the lowest id. Throws Error when a logit is not a number.
TokenId greedy_token(std::span<const float> logits);

struct TokenProbability {
  TokenId id = 0;
  double probability = 0;
};

/// The distribution that `options` leave: temperature, top-k, top-p, min-p, in this order, each on what the one before
/// left, the rest scaled up to 1. In the order of ids; after top-k or top-p likeliest first, of equals the lowest id
/// first. Requires a temperature above 0.
std::vector<TokenProbability> filtered_distribution(std::span<const float> logits, const GenerationOptions& options);

/// The token at `index` of a completion: greedy at temperature 0, else drawn by a random number that depends on
/// options.seed and `index` alone.
TokenId next_token(std::span<const float> logits, const GenerationOptions& options, std::int64_t index);

/// log softmax(logits)[id], in float64.
double log_probability(std::span<const float> logits, TokenId id);

}  // namespace mathtrap

#include "model/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "support/error.h"
#include "support/random.h"

namespace mathtrap {
namespace {

void check_range(bool good, const char* name, double value, const char* range) {
  if (!good) throw Error(fmt::format("{} is {}: it must be {}", name, value, range));
}

bool likelier(const TokenProbability& a, const TokenProbability& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.id < b.id;
}

/// Moves the likeliest `count` to the front, in order, and drops the others.
void keep_likeliest(std::vector<TokenProbability>& tokens, std::size_t count) {
  if (count < tokens.size()) {
    std::nth_element(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count), tokens.end(), likelier);
    tokens.resize(count);
  }
  std::sort(tokens.begin(), tokens.end(), likelier);
}

/// Keeps the likeliest tokens that together reach `mass`, at least one. Sorts no more of them than it must.
void keep_mass(std::vector<TokenProbability>& tokens, double mass) {
  double reached = 0;
  std::size_t kept = 0;
  while (kept < tokens.size() && (kept == 0 || reached < mass)) {
    const std::size_t next = std::min(tokens.size(), kept == 0 ? std::size_t{32} : 4 * kept);
    std::partial_sort(tokens.begin() + static_cast<std::ptrdiff_t>(kept),
                      tokens.begin() + static_cast<std::ptrdiff_t>(next), tokens.end(), likelier);
    while (kept < next && (kept == 0 || reached < mass)) reached += tokens[kept++].probability;
  }
  tokens.resize(kept);
}

void scale_to_one(std::vector<TokenProbability>& tokens) {
  double total = 0;
  for (const TokenProbability& token : tokens) total += token.probability;
  for (TokenProbability& token : tokens) token.probability /= total;
}

double uniform_at(std::uint64_t seed, std::int64_t index) {
  const std::uint64_t bits = mix64(mix64(seed) ^ mix64(static_cast<std::uint64_t>(index) + 1));
  constexpr double kUnit = 0x1p-53;
  return static_cast<double>(bits >> 11) * kUnit;
}

}  // namespace

void check_generation_options(const GenerationOptions& options) {
  check_range(options.max_new_tokens >= 1, "max-new-tokens", options.max_new_tokens, "1 or more");
  check_range(options.temperature >= 0 && std::isfinite(options.temperature), "temperature", options.temperature,
              "0 or more");
  check_range(options.top_k >= 0, "top-k", options.top_k, "0 (all) or more");
  check_range(options.top_p > 0 && options.top_p <= 1, "top-p", options.top_p, "above 0 and at most 1");
  check_range(options.min_p >= 0 && options.min_p <= 1, "min-p", options.min_p, "between 0 and 1");
  for (const std::string& stop : options.stop) {
    if (stop.empty()) throw Error("a stop string is empty; leave it out");
  }
}

TokenId greedy_token(std::span<const float> logits) {
  std::size_t best = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) throw Error("the model computed a logit that is not a number; its weights are broken");
    if (logits[i] > logits[best]) best = i;
  }
  return static_cast<TokenId>(best);
}

std::vector<TokenProbability> filtered_distribution(std::span<const float> logits, const GenerationOptions& options) {
  const double most = logits[static_cast<std::size_t>(greedy_token(logits))];
  std::vector<TokenProbability> tokens(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    tokens[i] = {static_cast<TokenId>(i), std::exp((static_cast<double>(logits[i]) - most) / options.temperature)};
  }
  if (options.top_k > 0) keep_likeliest(tokens, static_cast<std::size_t>(options.top_k));
  scale_to_one(tokens);
  if (options.top_p < 1) {
    keep_mass(tokens, options.top_p);
    scale_to_one(tokens);
  }
  if (options.min_p > 0) {
    const double floor = options.min_p * std::min_element(tokens.begin(), tokens.end(), likelier)->probability;
    std::erase_if(tokens, [floor](const TokenProbability& token) { return token.probability < floor; });
    scale_to_one(tokens);
  }
  return tokens;
}

TokenId next_token(std::span<const float> logits, const GenerationOptions& options, std::int64_t index) {
  if (options.temperature == 0) return greedy_token(logits);
  const std::vector<TokenProbability> tokens = filtered_distribution(logits, options);
  double left = uniform_at(options.seed, index);
  for (const TokenProbability& token : tokens) {
    left -= token.probability;
    if (left < 0) return token.id;
  }
  // Rounding may leave a little; tokens of probability 0 are not drawn.
  const auto last =
      std::find_if(tokens.rbegin(), tokens.rend(), [](const auto& token) { return token.probability > 0; });
  return last->id;
}

double log_probability(std::span<const float> logits, TokenId id) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - most);
  return static_cast<double>(logits[static_cast<std::size_t>(id)]) - most - std::log(sum);
}

}  // namespace mathtrap

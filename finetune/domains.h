// Domains of running text (encyclopedias, manuals, code, …): where they lie, in which shares they are drawn, and how
// these shares follow the losses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mathtrap {

struct Domain {
  std::string name;
  std::string train;                     ///< file or folder (finetune/packed_text.h)
  std::string validation;                ///< the same, held out
  double weight = 1;                     ///< share of the tokens drawn, relative to the others
  std::optional<double> reference_loss;  ///< what a model that needs no more of this domain has on it
};

/// A folder with NAME.train.jsonl and NAME.validation.jsonl for each domain, in the order of the names; or a TOML file
/// of tables [[domain]] with name, train, validation (paths relative to it) and, if wanted, weight and reference_loss.
/// Throws Error naming file and field.
std::vector<Domain> read_domains(const std::string& path);

/// Shares of domains, summing to 1, from what a user says: "file" (the weights of `domains`), "uniform", "size" (as
/// many as `tokens`), "llama" or "sheared" (those of LLaMA and of Sheared-LLaMA for SlimPajama's seven domains, as
/// LLaMA-MoE used them, arXiv 2406.16554; the domains must bear their names), or "NAME:SHARE,…". Throws Error.
std::vector<double> choose_weights(const std::string& wanted, const std::vector<Domain>& domains,
                                   const std::vector<std::int64_t>& tokens);

/// How shares change when held-out losses are known.
enum class SamplingRule {
  fixed,    ///< not at all: static sampling
  softmax,  ///< softmax(log w + excess), mixed with 1e-4 of uniform: LLaMA-MoE's code
  excess,   ///< w * exp(max(0, excess)), normalised: Sheared-LLaMA (arXiv 2310.06694, algorithm 1)
};
/// "static", "dynamic", "dynamic-excess". Throws Error naming the three.
SamplingRule parse_sampling(const std::string& text);
std::string to_string(SamplingRule rule);

/// The new shares, which sum to 1. excess = losses - references, in nats a token. A share of 0 stays 0.
std::vector<double> updated_weights(SamplingRule rule, const std::vector<double>& weights,
                                    const std::vector<double>& losses, const std::vector<double>& references);

}  // namespace mathtrap

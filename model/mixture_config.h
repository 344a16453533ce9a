// How the feed-forward layers of a mixture of experts are made: LLaMA-MoE (arXiv 2406.16554) in its published layout,
// and Mixtral, with or without experts that every token activates (LLaMA-MoE v2).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/json.h"

namespace mathtrap {

/// Which experts a token is sent to, and with which scores. `k` is num_selects.
enum class GateKind {
  top_k_balanced_noisy,  ///< the k largest logits, noisy in training; scores are the softmax over these k
  switch_balanced,       ///< the k largest logits; scores are the softmax over all (Fedus et al. 2021)
  uniform_plain,         ///< all experts, scores 1 / E
  uniform_learnable,     ///< all experts, scores are the softmax over all logits
  random_plain,          ///< k experts by chance, scores 1 / k
  random_learnable,      ///< k experts by chance, scores are the softmax over their logits
};

/// What gives the logits [tokens, E] of x [tokens, hidden].
enum class GateNetwork {
  none,      ///< nothing: the plain gates
  linear,    ///< x W^T
  mlp,       ///< tanh(x W0^T) W2^T
  analytic,  ///< silu(x G^T) * (x U^T): rows of the dense layer, one neuron an expert (CMoE, arXiv 2502.04416)
};

struct MixtureConfig {
  std::int64_t num_experts = 0;                         ///< E; 0: the layers are dense
  std::int64_t num_selects = 0;                         ///< experts that a token is sent to
  std::vector<std::vector<std::int64_t>> expert_sizes;  ///< neurons, [layers][E]
  std::int64_t shared_size = 0;                         ///< neurons of each layer that every token activates
  GateKind gate = GateKind::top_k_balanced_noisy;
  GateNetwork gate_network = GateNetwork::mlp;
  bool multiply_scores = true;              ///< an expert's output is multiplied by its score, else by the scale alone
  std::vector<double> score_scale = {1.0};  ///< times the score: one number, or one a layer
  bool add_noise = false;                   ///< there are weights of the noise, added in training
  double noise_epsilon = 1e-2;              ///< least deviation of the noise
  double balance_loss_weight = 1e-2;
  double capacity_factor = 0;   ///< of what an expert takes in training, times tokens * k / E; 0: everything
  bool learned_scale = false;   ///< times the score, too: a weight of each layer, which training learns
  bool selection_bias = false;  ///< a bias is added to the logits where experts are chosen, not to the scores

  bool is_dense() const { return num_experts == 0; }
};

/// The factor of a layer's scores.
double score_scale_of(const MixtureConfig& mixture, std::size_t layer);

/// Neurons that a token activates in a layer, on average where experts differ in size.
double active_neurons(const MixtureConfig& mixture, std::size_t layer);

/// Throws Error naming the field of config.json: no expert, more chosen than there are, lists that do not fit.
void check_mixture(const MixtureConfig& mixture, std::int64_t layers, const std::string& source);

/// Fields of config.json with model_type "llama_moe". `intermediate_size`: of the dense layer, cut evenly where
/// "size_experts" is absent. Throws Error naming a field that is missing, wrong or not supported.
MixtureConfig read_llama_moe(const Json& json, std::int64_t layers, std::int64_t intermediate_size, const Place& place);
/// The same for "mixtral". Experts of shared neurons do not stand in it: the tensors tell.
MixtureConfig read_mixtral(const Json& json, std::int64_t layers, std::int64_t intermediate_size, const Place& place);

Json llama_moe_json(const MixtureConfig& mixture);
Json mixtral_json(const MixtureConfig& mixture);

/// "TopKBalancedNoisyGate", …: the names of the published configuration.
const char* gate_name(GateKind kind);

}  // namespace mathtrap

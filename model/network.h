// The network: one for training and inference. Tokens of all sequences lie flat, one after another, without padding;
// which sequence a token belongs to is known only to attention. A layer never asks where it runs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/checkpoint.h"
#include "model/config.h"
#include "model/gate.h"
#include "model/low_rank.h"
#include "model/mixture_weights.h"
#include "model/ops.h"

namespace mathtrap {

/// Weights of one layer; linear weights are [out, in] as in Hugging Face checkpoints.
struct LayerWeights {
  at::Tensor attention_norm;  ///< [hidden]
  at::Tensor query;           ///< [heads * head_dim, hidden]
  at::Tensor key;             ///< [kv_heads * head_dim, hidden]
  at::Tensor value;           ///< [kv_heads * head_dim, hidden]
  at::Tensor output;          ///< [hidden, heads * head_dim]
  at::Tensor mlp_norm;        ///< [hidden]
  // Of a dense layer; a mixture has none of these.
  at::Tensor gate;         ///< [intermediate, hidden]
  at::Tensor up;           ///< [intermediate, hidden]
  at::Tensor down;         ///< [hidden, intermediate]
  MixtureWeights mixture;  ///< of a mixture of experts
  // Biases of the projections above, where the configuration has them; else undefined.
  at::Tensor query_bias;   ///< [heads * head_dim]
  at::Tensor key_bias;     ///< [kv_heads * head_dim]
  at::Tensor value_bias;   ///< [kv_heads * head_dim]
  at::Tensor output_bias;  ///< [hidden]
};

struct Network {
  ModelConfig config;
  at::Tensor embedding;  ///< [vocab, hidden]
  std::vector<LayerWeights> layers;
  at::Tensor final_norm;              ///< [hidden]
  at::Tensor head;                    ///< [vocab, hidden]; the same tensor as `embedding` when tied
  std::vector<LayerUpdates> updates;  ///< of an adapter that is trained: one a layer, or none
  std::uint64_t dropout_seed = 0;     ///< decides which inputs of the updates are left out, and the noise of gates
};

/// The network of a checkpoint, on `device` ("cpu", "cuda:0"). Tensors are not copied on the CPU unless their dtype has
/// no arithmetic here (f16 becomes f32).
Network make_network(const Checkpoint& checkpoint, const std::string& device);

/// Weights drawn as LLaMA's are: normal with deviation 0.02, output and down projections divided by sqrt(2 * layers),
/// norms 1, biases 0. f32, the same for a seed on every machine.
Network random_network(const ModelConfig& config, std::uint64_t seed);

/// Every weight once with its Hugging Face name, in the order of expected_tensors. They share memory with the network.
std::vector<std::pair<std::string, at::Tensor>> named_weights(const Network& network);

/// Which tokens of a flat batch belong together. Attention is causal within a sequence and does not cross sequences.
struct SequenceLayout {
  std::vector<std::int64_t> starts;  ///< of each sequence in the flat batch, and the batch's length at the end
};

/// Attention of one layer: query_key_value [tokens, (heads + 2 * kv_heads) * head_dim], before rotary embedding, to
/// [tokens, heads * head_dim]. Training and generation differ in this alone.
using Attention = std::function<at::Tensor(std::size_t layer, const at::Tensor& query_key_value)>;
AttentionShape attention_shape(const ModelConfig& config, std::size_t layer);

/// Who looks at what the feed-forward layers do, to collect statistics. With recompute layers are looked at twice.
struct Observers {
  /// A dense layer's input [tokens, hidden] and what enters its down projection [tokens, intermediate].
  std::function<void(std::size_t layer, const at::Tensor& input, const at::Tensor& activation)> dense;
  /// A mixture's input [tokens, hidden], where its tokens went, and how many pairs of token and expert were dropped.
  std::function<void(std::size_t layer, const at::Tensor& input, const Routing& routing, std::int64_t dropped)> mixture;
};

struct LayerOptions {
  Arithmetic arithmetic = Arithmetic::as_stored;
  bool recompute = false;                ///< layers are computed again in the backward pass (model/recompute.h)
  const Observers* observers = nullptr;  ///< must outlive the backward pass
};

/// All layers and the final norm: `tokens` [n] int64 to hidden states [n, hidden], f32. `balance_loss`, where given,
/// becomes the sum of the layers' balance losses; undefined for a dense network and without gradients.
at::Tensor run_layers(const Network& network, const at::Tensor& tokens, const LayerOptions& options,
                      const Attention& attention, at::Tensor* balance_loss = nullptr);

struct TrainingForward {
  bool bf16 = false;       ///< with gradients enabled products are rounded to bfloat16, where the machine can
  bool recompute = false;  ///< layers are computed again in the backward pass (model/recompute.h)
  at::Tensor positions;    ///< [m] int64: the tokens whose logits are wanted; not defined: all
  const Observers* observers = nullptr;
  at::Tensor* balance_loss = nullptr;  ///< as in run_layers
};

/// Training forward pass: `tokens` [n] of whole sequences (positions count from 0 in each) to logits [n, vocab], f32,
/// or [m, vocab] of the wanted positions.
at::Tensor training_forward(const Network& network, const at::Tensor& tokens, const SequenceLayout& layout,
                            const TrainingForward& options);

}  // namespace mathtrap

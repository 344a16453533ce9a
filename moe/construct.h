// From a dense model to a mixture of experts: the feed-forward layers are split, a gate is added, nothing is trained.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "support/interrupt.h"
#include "support/json.h"

namespace mathtrap {

/// What `mathtrap moe construct` takes. Which methods need a text: construction_methods().
struct ConstructOptions {
  std::string from;                   ///< path of the dense model
  std::string out;                    ///< folder of the mixture
  std::string method = "random";      ///< see construction_methods()
  std::int64_t experts = 8;           ///< that tokens are sent to
  std::int64_t select = 2;            ///< of them, for each token
  std::int64_t shared = 0;            ///< experts that every token activates, of the same size
  std::vector<std::string> with;      ///< merge: paths of the other dense models, an expert each
  std::string layout = "llama-moe";   ///< or mixtral
  std::string gate = "auto";          ///< auto, top-k, switch, uniform, random
  std::string router = "auto";        ///< auto, mlp, linear (drawn at random), clusters, analytic, trained, fitted
  std::string router_loss = "top-k";  ///< of a trained router: top-k or divergence (moe/router_training.h)
  bool learned_scale = false;         ///< the scale becomes a weight of each layer
  bool gate_noise = true;             ///< a drawn top-k gate is trained with noise, as LLaMA-MoE's
  std::string scale = "auto";         ///< auto (unit, or none), unit, none, published, mean, calibrated, a number
  std::string metric = "l2";          ///< of clustering: l2 or cosine
  std::string cluster_by = "up";      ///< weights whose rows are clustered: up or gate
  std::vector<std::string> data;      ///< text file; merge: none, or one for each model
  std::int64_t window = 256;          ///< tokens of the text that are computed together
  std::int64_t tokens = 16384;        ///< of the text, at most
  std::int64_t marked = 10;           ///< CMoE: most active neurons of a token
  double coactivation_limit = 1;      ///< most that a batch adds to a pair of neurons
  std::int64_t neighbours = 64;       ///< of a neuron in the graph of co-activation
  double drop_share = 0.5;            ///< drop-upcycle: share of neurons drawn anew
  std::uint64_t seed = 0;
  std::function<bool()> stop = interrupted;  ///< asked after each window of the text
};

struct ConstructionMethod {
  const char* name;
  bool needs_text;
  const char* summary;
};
const std::vector<ConstructionMethod>& construction_methods();

struct ConstructedLayer {
  double seconds = 0;
  double scale = 1;          ///< score_scale_factor
  std::int64_t neurons = 0;  ///< of an expert
  std::int64_t shared = 0;
  std::int64_t left_out = 0;  ///< neurons of the dense layer that no expert has
};

struct Construction {
  std::int64_t experts = 0;  ///< of a layer
  std::vector<ConstructedLayer> layers;
  double seconds = 0;
  std::int64_t peak_bytes = 0;  ///< most memory that the process has held
  bool finished = true;         ///< false: interrupted while reading the text; the same call goes on from there
};

/// Reads the dense model, collects statistics where the method needs them, and writes the mixture layer by layer. Where
/// all experts are selected and none overlap, it computes what the dense model does, to rounding: by uniform scores
/// times their number. Throws Error naming the option that is wrong, or the size that does not fit.
Construction construct_experts(const ConstructOptions& options);

/// {"method","experts","select","shared","seconds","peak_bytes","layers":[{"seconds","scale","neurons",…}]}
Json to_json(const ConstructOptions& options, const Construction& construction);

}  // namespace mathtrap

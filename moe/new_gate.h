// The gate of a constructed mixture: of which kind it is, what its first weights are, and how scores are scaled.
#pragma once

#include <cstdint>

#include "model/mixture_weights.h"
#include "model/network.h"
#include "moe/construct.h"
#include "moe/split.h"
#include "moe/statistics.h"

namespace mathtrap {

/// Sets all of `config` that makes it a mixture, sizes of experts apart, which each layer gives. `split`: of the first
/// layer. Throws Error naming the option that does not fit the method or the layout.
void choose_gate(const ConstructOptions& options, const LayerSplit& split, ModelConfig& config);

/// The gate's first weights in a layer: drawn, of the text's clusters, of the dense layer's rows, or trained to know
/// the most active experts.
void fill_gate(const ConstructOptions& options, const ModelConfig& config, std::int64_t layer,
               const LayerWeights& dense, const LayerSplit& split, const LayerStatistics* statistics,
               GateWeights& gate);

/// The factor of the layer's scores.
double choose_scale(const ConstructOptions& options, const ModelConfig& config, std::int64_t layer,
                    const LayerWeights& dense, const MixtureWeights& weights, const LayerStatistics* statistics);

/// Whether the router is made from what each expert does on the text: trained or fitted.
bool is_taught(const ConstructOptions& options);

/// A number, where that is what the option is.
bool is_number(const std::string& scale);

/// Normal numbers of LLaMA's deviation of first weights, 0.02, that hang on name and seed alone; f32.
at::Tensor draw_weights(const std::string& name, const std::vector<std::int64_t>& shape, std::uint64_t seed);
inline constexpr double kDrawnDeviation = 0.02;

}  // namespace mathtrap

// What a text tells of a dense model's feed-forward layers: which neurons are active, together and how much it would
// cost to lose them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/network.h"
#include "model/tokenizer.h"

namespace mathtrap {

/// Pieces of a text that the network is run on: [windows] of token ids.
using TextWindows = std::vector<std::vector<TokenId>>;

/// The text's tokens in windows of `window` tokens, each begun with `begin` where that is not negative; the rest that
/// fills no window is left out, and all beyond `most_tokens`. Throws Error when there is not one window.
TextWindows cut_windows(const Tokenizer& tokenizer, TokenId begin, std::string_view text, std::int64_t window,
                        std::int64_t most_tokens);

/// What is wanted; what is 0 or false is not collected.
struct StatisticsWanted {
  std::int64_t marked = 0;         ///< activation_marks (moe/training_free.h): neurons of a token
  bool coactivation = false;       ///< accumulate_coactivation (moe/coactivation.h)
  float coactivation_limit = 1.0;  ///< its threshold
  std::int64_t input_rows = 0;     ///< inputs of the layer, evenly spread over the text, at most so many
};

struct LayerStatistics {
  at::Tensor marks;         ///< [tokens, marked] i32
  at::Tensor coactivation;  ///< [intermediate, intermediate] f32
  at::Tensor inputs;        ///< [rows, hidden] f32
  at::Tensor importance;    ///< [groups, intermediate] f64, by collect_importance
  at::Tensor text_means;    ///< [texts, hidden] f32: mean input of each text of a merge; not kept
};

struct TextStatistics {
  std::vector<LayerStatistics> layers;
  at::Tensor window_means;  ///< [windows, hidden] f32: mean input of the last layer, what texts are clustered by
  std::size_t activation_windows = 0;  ///< done by collect_activations
  std::size_t importance_windows = 0;  ///< done by collect_importance
};

class StatisticsFile;

/// One pass over the windows, without gradients, with a progress bar. Goes on behind the windows that `statistics`
/// already has. Returns false when the file says that the work stops; then the file has what was collected.
bool collect_activations(const Network& network, const TextWindows& windows, const StatisticsWanted& wanted,
                         StatisticsFile& file, TextStatistics& statistics);

/// Groups of the tokens of a window at a layer whose input is `input` [tokens, hidden]: [tokens] int64, in [0, groups).
using TokenGroups = std::function<at::Tensor(std::size_t window, std::size_t layer, const at::Tensor& input)>;

/// Adds to each layer's importance the sum over a group's tokens of |h * dL/dh| (LLaMA-MoE), h being what enters the
/// down projection and L the window's summed cross-entropy. One pass with gradients, which are of activations alone; it
/// goes on and stops as collect_activations does.
bool collect_importance(Network network, const TextWindows& windows, const TokenGroups& groups_of, std::int64_t groups,
                        StatisticsFile& file, TextStatistics& statistics);

}  // namespace mathtrap

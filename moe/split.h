// The split itself: which neurons of each dense layer become which expert, by the chosen method.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "model/network.h"
#include "moe/construct.h"
#include "moe/partition.h"
#include "moe/statistics.h"
#include "moe/statistics_file.h"

namespace mathtrap {

/// How one layer is split, and what its gate may start from.
struct LayerSplit {
  Partition partition;
  at::Tensor centroids;                       ///< [experts, hidden]: a linear gate; undefined where there is none
  std::vector<std::int64_t> representatives;  ///< neurons of the analytic gate, one an expert; may be empty
};

/// What the method asks of a text; nothing where it needs none.
std::optional<StatisticsWanted> wanted_statistics(const ConstructOptions& options);

/// The second pass, with gradients, of methods by importance; false when it was stopped, as collect_importance says.
bool add_importance(const ConstructOptions& options, const Network& network, const TextWindows& windows,
                    StatisticsFile& file, TextStatistics& statistics);

/// `statistics`: of this layer, where the method needs them.
LayerSplit split_layer(const ConstructOptions& options, const LayerWeights& layer, std::int64_t index,
                       const LayerStatistics* statistics);

/// Whether experts together have each neuron once, so that all of them make the dense layer.
bool is_whole(const Partition& partition, std::int64_t intermediate);

}  // namespace mathtrap

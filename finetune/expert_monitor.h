// How a training loads the experts of a mixture, step by step, and the bias that evens the load without a loss.
#pragma once

#include <cstdint>
#include <vector>

#include "finetune/process_group.h"
#include "model/network.h"
#include "support/json.h"

namespace mathtrap {

/// Counts of one step, over all of its batches and processes. Of a dense model there are none.
class ExpertMonitor {
 public:
  /// `looks`: how often a forward and backward pass shows a layer, twice with recompute.
  ExpertMonitor(const ModelConfig& config, int looks);
  ExpertMonitor(const ExpertMonitor&) = delete;
  ExpertMonitor& operator=(const ExpertMonitor&) = delete;

  /// To give to training_forward; nullptr of a dense model.
  const Observers* observers() const { return experts_ == 0 ? nullptr : &observers_; }
  void begin_step();
  /// Makes the counts those of all processes.
  void end_step(ProcessGroup& group);

  /// Pairs of token and expert in a layer: [E].
  std::vector<double> load(std::size_t layer) const;
  /// Pairs beyond an expert's capacity.
  double dropped() const;
  /// Deviation of the load over its mean, averaged over the layers.
  double load_variation() const;
  /// {"load": [layers][E] shares of a layer's pairs, "importance": [layers][E] shares of its scores}
  Json heat_maps() const;

 private:
  void observe(std::size_t layer, const Routing& routing, std::int64_t dropped);

  std::size_t layers_;
  std::size_t experts_;
  double looks_;
  std::vector<double> counts_;  ///< [layers][E] pairs, then [layers][E] sums of scores, then pairs dropped
  Observers observers_;
};

/// Evens the load without a loss (Wang et al. 2024, arXiv 2408.15664): each expert's selection bias goes up by `rate`
/// where its load of the step is below the layer's mean, down where it is above.
void update_selection_bias(const Network& network, const ExpertMonitor& monitor, double rate);

}  // namespace mathtrap

#include "finetune/expert_monitor.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mathtrap {
namespace {

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

ExpertMonitor::ExpertMonitor(const ModelConfig& config, int looks)
    : layers_(static_cast<std::size_t>(config.num_hidden_layers)),
      experts_(static_cast<std::size_t>(config.mixture.num_experts)),
      looks_(looks) {
  counts_.assign(2 * layers_ * experts_ + 1, 0);
  observers_.mixture = [this](std::size_t layer, const at::Tensor& /*input*/, const Routing& routing,
                              std::int64_t dropped) { observe(layer, routing, dropped); };
}

void ExpertMonitor::begin_step() {
  std::fill(counts_.begin(), counts_.end(), 0);
}

void ExpertMonitor::observe(std::size_t layer, const Routing& routing, std::int64_t dropped) {
  const at::Tensor experts = routing.experts.contiguous();
  const at::Tensor scores = routing.scores.detach().contiguous();
  const auto* chosen = experts.data_ptr<std::int64_t>();
  const auto* score = scores.data_ptr<float>();
  double* load = counts_.data() + layer * experts_;
  double* importance = counts_.data() + (layers_ + layer) * experts_;
  for (std::int64_t i = 0; i < experts.numel(); ++i) {
    load[chosen[i]] += 1 / looks_;
    importance[chosen[i]] += static_cast<double>(score[i]) / looks_;
  }
  counts_.back() += static_cast<double>(dropped) / looks_;
}

void ExpertMonitor::end_step(ProcessGroup& group) {
  if (experts_ != 0) group.sum(counts_);
}

std::vector<double> ExpertMonitor::load(std::size_t layer) const {
  const auto first = counts_.begin() + static_cast<std::ptrdiff_t>(layer * experts_);
  return {first, first + static_cast<std::ptrdiff_t>(experts_)};
}

double ExpertMonitor::dropped() const {
  return counts_.back();
}

double ExpertMonitor::load_variation() const {
  double sum = 0;
  for (std::size_t layer = 0; layer < layers_; ++layer) {
    const std::vector<double> loads = load(layer);
    const double mean = mean_of(loads);
    double squares = 0;
    for (const double one : loads) squares += (one - mean) * (one - mean);
    if (mean > 0) sum += std::sqrt(squares / static_cast<double>(loads.size())) / mean;
  }
  return sum / static_cast<double>(layers_);
}

Json ExpertMonitor::heat_maps() const {
  const auto map = [&](std::size_t offset) {
    Json rows = Json::array();
    for (std::size_t layer = 0; layer < layers_; ++layer) {
      const auto first = counts_.begin() + static_cast<std::ptrdiff_t>((offset + layer) * experts_);
      const std::vector<double> values(first, first + static_cast<std::ptrdiff_t>(experts_));
      const double sum = std::accumulate(values.begin(), values.end(), 0.0);
      Json row = Json::array();
      // Four digits are what a heat map shows, and keep a line of the log short.
      for (const double value : values) row.push_back(sum > 0 ? std::round(value / sum * 1e4) / 1e4 : 0.0);
      rows.push_back(std::move(row));
    }
    return rows;
  };
  return {{"load", map(0)}, {"importance", map(layers_)}};
}

void update_selection_bias(const Network& network, const ExpertMonitor& monitor, double rate) {
  for (std::size_t layer = 0; layer < network.layers.size(); ++layer) {
    const std::vector<double> load = monitor.load(layer);
    const double mean = mean_of(load);
    auto* bias = network.layers[layer].mixture.gate.selection_bias.data_ptr<float>();
    for (std::size_t expert = 0; expert < load.size(); ++expert) {
      if (load[expert] == mean) continue;
      bias[expert] += static_cast<float>(load[expert] < mean ? rate : -rate);
    }
  }
}

}  // namespace mathtrap

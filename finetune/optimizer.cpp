#include "finetune/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mathtrap {
namespace {

constexpr std::int64_t kGrain = 1 << 15;  // weights that one thread updates at a time

/// Sum of squares in double, in blocks of fixed size: the same for every number of threads.
double sum_of_squares(const at::Tensor& tensor) {
  const auto* values = tensor.data_ptr<float>();
  const std::int64_t count = tensor.numel();
  std::vector<double> parts(static_cast<std::size_t>((count + kGrain - 1) / kGrain));
  at::parallel_for(0, static_cast<std::int64_t>(parts.size()), 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) {
      double part = 0;
      for (std::int64_t i = block * kGrain; i < std::min(count, (block + 1) * kGrain); ++i) {
        part += static_cast<double>(values[i]) * static_cast<double>(values[i]);
      }
      parts[static_cast<std::size_t>(block)] = part;
    }
  });
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

}  // namespace

AdamW::AdamW(const std::vector<std::pair<std::string, at::Tensor>>& weights, const OptimizerOptions& options)
    : options_(options) {
  for (const auto& [name, weight] : weights) {
    const bool decays = weight.dim() == 2 && name != "model.embed_tokens.weight";
    slots_.push_back({name, weight, at::zeros_like(weight), at::zeros_like(weight), decays ? options.weight_decay : 0});
  }
}

double AdamW::step(double rate) {
  double squares = 0;
  for (const Slot& slot : slots_) {
    if (slot.weight.grad().defined()) squares += sum_of_squares(slot.weight.grad().contiguous());
  }
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm)) return norm;
  ++steps_;
  const double scale = options_.clip_norm > 0 && norm > options_.clip_norm ? options_.clip_norm / norm : 1.0;
  const auto beta1 = static_cast<float>(options_.beta1);
  const auto beta2 = static_cast<float>(options_.beta2);
  const auto correction1 = static_cast<float>(1 / (1 - std::pow(options_.beta1, static_cast<double>(steps_))));
  const auto correction2 = static_cast<float>(1 / (1 - std::pow(options_.beta2, static_cast<double>(steps_))));
  const auto epsilon = static_cast<float>(options_.epsilon);
  for (Slot& slot : slots_) {
    if (!slot.weight.grad().defined()) continue;
    const at::Tensor gradient = slot.weight.grad().contiguous();
    auto* w = slot.weight.data_ptr<float>();
    auto* m = slot.first_moment.data_ptr<float>();
    auto* v = slot.second_moment.data_ptr<float>();
    const auto* g = gradient.data_ptr<float>();
    const auto shrink = static_cast<float>(1 - rate * slot.decay);
    const auto step_rate = static_cast<float>(rate);
    const auto gradient_scale = static_cast<float>(scale);
    at::parallel_for(0, slot.weight.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const float slope = g[i] * gradient_scale;
        m[i] = beta1 * m[i] + (1 - beta1) * slope;
        v[i] = beta2 * v[i] + (1 - beta2) * slope * slope;
        w[i] = w[i] * shrink - step_rate * (m[i] * correction1) / (std::sqrt(v[i] * correction2) + epsilon);
      }
    });
    slot.weight.mutable_grad().reset();
  }
  return norm;
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::moments() const {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const Slot& slot : slots_) {
    tensors.emplace_back("first_moment." + slot.name, slot.first_moment);
    tensors.emplace_back("second_moment." + slot.name, slot.second_moment);
  }
  return tensors;
}

}  // namespace mathtrap

#include "finetune/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mathtrap {
namespace {

constexpr std::int64_t kGrain = 1 << 15;    // weights that one thread updates at a time
constexpr std::int64_t kMessage = 1 << 20;  // weights that are handed on together, where they are smaller

/// Sum of squares in double, in blocks of fixed size: the same for every number of threads.
double sum_of_squares(const float* values, std::int64_t count) {
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

AdamW::AdamW(const std::vector<std::pair<std::string, at::Tensor>>& weights, const OptimizerOptions& options,
             ProcessGroup* group)
    : weights_(weights), options_(options), group_(group) {
  std::int64_t total = 0;
  for (const auto& [name, weight] : weights_) total += weight.numel();
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const auto& [name, weight] = weights_[i];
    const bool decays = weight.dim() == 2 && name != "model.embed_tokens.weight";
    share_out(i, offset, total, decays ? options.weight_decay : 0);
    offset += weight.numel();
  }
}

void AdamW::share_out(std::size_t weight, std::int64_t offset, std::int64_t total, double decay) {
  const std::int64_t end = offset + weights_[weight].second.numel();
  for (int owner = 0; owner < processes(); ++owner) {
    const std::int64_t first = std::max(offset, total * owner / processes());
    const std::int64_t last = std::min(end, total * (owner + 1) / processes());
    if (first >= last) continue;
    Slot slot{weight, owner, first - offset, last - first, {}, {}, decay};
    if (owner == rank()) {
      slot.first_moment = at::zeros({slot.count}, at::kFloat);
      slot.second_moment = at::zeros({slot.count}, at::kFloat);
    }
    slots_.push_back(std::move(slot));
  }
}

at::Tensor AdamW::part(const at::Tensor& whole, const Slot& slot) {
  return whole.detach().view(-1).narrow(0, slot.first, slot.count);
}

double AdamW::gradient_norm() const {
  double squares = 0;
  for (const Slot& slot : slots_) {
    const at::Tensor& gradient = weights_[slot.weight].second.grad();
    if (slot.owner != rank() || !gradient.defined()) continue;
    squares += sum_of_squares(gradient.contiguous().data_ptr<float>() + slot.first, slot.count);
  }
  return std::sqrt(group_ == nullptr ? squares : group_->sum(squares));
}

double AdamW::step(double rate) {
  const double norm = gradient_norm();
  if (!std::isfinite(norm)) return norm;
  ++steps_;
  const double scale = options_.clip_norm > 0 && norm > options_.clip_norm ? options_.clip_norm / norm : 1.0;
  for (Slot& slot : slots_) {
    if (slot.owner == rank() && weights_[slot.weight].second.grad().defined()) update(slot, rate, scale);
  }
  for (auto& [name, weight] : weights_) weight.mutable_grad().reset();
  exchange_weights();
  return norm;
}

void AdamW::update(Slot& slot, double rate, double scale) const {
  const auto beta1 = static_cast<float>(options_.beta1);
  const auto beta2 = static_cast<float>(options_.beta2);
  const auto correction1 = static_cast<float>(1 / (1 - std::pow(options_.beta1, static_cast<double>(steps_))));
  const auto correction2 = static_cast<float>(1 / (1 - std::pow(options_.beta2, static_cast<double>(steps_))));
  const auto epsilon = static_cast<float>(options_.epsilon);
  const auto shrink = static_cast<float>(1 - rate * slot.decay);
  const auto step_rate = static_cast<float>(rate);
  const auto gradient_scale = static_cast<float>(scale);
  const at::Tensor& weight = weights_[slot.weight].second;
  const at::Tensor gradient = weight.grad().contiguous();
  auto* w = weight.data_ptr<float>() + slot.first;
  auto* m = slot.first_moment.data_ptr<float>();
  auto* v = slot.second_moment.data_ptr<float>();
  const auto* g = gradient.data_ptr<float>() + slot.first;
  at::parallel_for(0, slot.count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float slope = g[i] * gradient_scale;
      m[i] = beta1 * m[i] + (1 - beta1) * slope;
      v[i] = beta2 * v[i] + (1 - beta2) * slope * slope;
      w[i] = w[i] * shrink - step_rate * (m[i] * correction1) / (std::sqrt(v[i] * correction2) + epsilon);
    }
  });
}

void AdamW::exchange_weights() const {
  if (processes() == 1) return;
  for (std::size_t begin = 0; begin < slots_.size();) {
    const int owner = slots_[begin].owner;
    std::int64_t count = slots_[begin].count;
    std::size_t end = begin + 1;
    for (; end < slots_.size() && slots_[end].owner == owner && count + slots_[end].count <= kMessage; ++end) {
      count += slots_[end].count;
    }
    const at::Tensor message = at::empty({count}, at::kFloat);
    const auto each = [&](const auto& move) {
      std::int64_t offset = 0;
      for (std::size_t i = begin; i < end; ++i) {
        move(message.narrow(0, offset, slots_[i].count), part(weights_[slots_[i].weight].second, slots_[i]));
        offset += slots_[i].count;
      }
    };
    if (owner == rank()) each([](const at::Tensor& place, const at::Tensor& weight) { place.copy_(weight); });
    group_->broadcast(message, owner);
    if (owner != rank()) each([](const at::Tensor& place, const at::Tensor& weight) { weight.copy_(place); });
    begin = end;
  }
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::moments() const {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  if (rank() == 0) {
    for (const auto& [name, weight] : weights_) {
      for (const char* moment : {"first_moment.", "second_moment."}) {
        tensors.emplace_back(moment + name, processes() == 1 ? at::Tensor() : at::empty(weight.sizes(), at::kFloat));
      }
    }
  }
  for (const Slot& slot : slots_) {
    std::size_t at = 2 * slot.weight;
    for (const at::Tensor& moment : {slot.first_moment, slot.second_moment}) {
      if (processes() == 1) {
        tensors[at].second = moment.view(weights_[slot.weight].second.sizes());
      } else if (rank() == 0) {
        const at::Tensor place = part(tensors[at].second, slot);
        if (slot.owner == 0) place.copy_(moment);
        group_->copy(place, slot.owner, 0);
      } else if (rank() == slot.owner) {
        group_->copy(moment, slot.owner, 0);
      }
      ++at;
    }
  }
  return tensors;
}

void AdamW::restore(std::int64_t steps, const std::vector<std::pair<std::string, at::Tensor>>& moments) {
  steps_ = steps;
  for (const Slot& slot : slots_) {
    std::size_t at = 2 * slot.weight;
    for (const at::Tensor& moment : {slot.first_moment, slot.second_moment}) {
      if (rank() == 0) {
        const at::Tensor given = part(moments[at].second, slot);
        if (slot.owner == 0) moment.copy_(given);
        if (group_ != nullptr) group_->copy(given, 0, slot.owner);
      } else if (rank() == slot.owner) {
        group_->copy(moment, 0, slot.owner);
      }
      ++at;
    }
  }
}

std::int64_t AdamW::moment_bytes() const {
  std::int64_t elements = 0;
  for (const Slot& slot : slots_) elements += slot.owner == rank() ? 2 * slot.count : 0;
  return elements * static_cast<std::int64_t>(sizeof(float));
}

}  // namespace mathtrap

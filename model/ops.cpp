#include "model/ops.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace mathtrap {

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, Arithmetic arithmetic) {
  const at::ScalarType type = arithmetic == Arithmetic::bf16 ? at::kBFloat16 : weight.scalar_type();
  return at::linear(x.to(type), weight.to(type)).to(x.scalar_type());
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  const at::Tensor scale = at::rsqrt((x * x).mean(-1, true) + epsilon);
  return x * scale * weight.to(x.scalar_type());
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  return at::silu(gate) * up;
}

namespace {

/// Llama 3.1's scaling: low frequencies are divided by `factor`, high ones kept, those between blended.
double scale_llama3(double frequency, const RopeScaling& scaling) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  const double turns = static_cast<double>(scaling.original_max_position_embeddings) / wavelength;
  if (turns < scaling.low_frequency_factor) return frequency / scaling.factor;
  if (turns > scaling.high_frequency_factor) return frequency;
  const double blend =
      (turns - scaling.low_frequency_factor) / (scaling.high_frequency_factor - scaling.low_frequency_factor);
  return (1 - blend) * frequency / scaling.factor + blend * frequency;
}

}  // namespace

std::vector<double> rotary_frequencies(const ModelConfig& config) {
  std::vector<double> frequencies(static_cast<std::size_t>(config.head_dim / 2));
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    double& frequency = frequencies[i];
    frequency = std::pow(config.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim));
    if (config.rope_scaling.kind == RopeScalingKind::linear) frequency /= config.rope_scaling.factor;
    if (config.rope_scaling.kind == RopeScalingKind::llama3) frequency = scale_llama3(frequency, config.rope_scaling);
  }
  return frequencies;
}

RotaryTable rotary_table(const ModelConfig& config, const std::vector<std::int64_t>& positions,
                         const at::Device& device) {
  const std::vector<double> frequencies = rotary_frequencies(config);
  const auto tokens = static_cast<std::int64_t>(positions.size());
  const auto pairs = static_cast<std::int64_t>(frequencies.size());
  const at::Tensor cosine = at::empty({tokens, pairs}, at::kFloat);
  const at::Tensor sine = at::empty({tokens, pairs}, at::kFloat);
  auto* cosines = cosine.data_ptr<float>();
  auto* sines = sine.data_ptr<float>();
  for (const std::int64_t position : positions) {
    for (const double frequency : frequencies) {
      const double angle = static_cast<double>(position) * frequency;
      *cosines++ = static_cast<float>(std::cos(angle));
      *sines++ = static_cast<float>(std::sin(angle));
    }
  }
  return {cosine.to(device), sine.to(device)};
}

at::Tensor rotary(const at::Tensor& x, const RotaryTable& table) {
  const std::int64_t half = x.size(-1) / 2;
  const at::Tensor first = x.narrow(-1, 0, half);
  const at::Tensor second = x.narrow(-1, half, half);
  const at::Tensor cosine = table.cosine.unsqueeze(1).to(x.scalar_type());
  const at::Tensor sine = table.sine.unsqueeze(1).to(x.scalar_type());
  const at::Tensor turned[] = {first * cosine - second * sine, second * cosine + first * sine};
  return at::cat(turned, -1);
}

at::Tensor causal_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            const std::vector<std::int64_t>& starts) {
  // Sequences are padded behind their end to one length: causality alone keeps real tokens from seeing the padding.
  const auto count = static_cast<std::int64_t>(starts.size()) - 1;
  std::int64_t longest = 0;
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) longest = std::max(longest, starts[i + 1] - starts[i]);
  const at::Tensor padded = at::empty({count * longest}, at::kLong);  // flat index of each padded place
  const at::Tensor unpadded = at::empty({query.size(0)}, at::kLong);  // padded place of each flat index
  auto* to_flat = padded.data_ptr<std::int64_t>();
  auto* to_padded = unpadded.data_ptr<std::int64_t>();
  for (std::int64_t sequence = 0; sequence < count; ++sequence) {
    const std::int64_t begin = starts[static_cast<std::size_t>(sequence)];
    const std::int64_t length = starts[static_cast<std::size_t>(sequence) + 1] - begin;
    for (std::int64_t i = 0; i < longest; ++i) to_flat[sequence * longest + i] = i < length ? begin + i : begin;
    for (std::int64_t i = 0; i < length; ++i) to_padded[begin + i] = sequence * longest + i;
  }
  const at::Tensor gather = padded.to(query.device());
  const std::int64_t group = query.size(1) / key.size(1);
  const auto lay_out = [&](const at::Tensor& x) {  // [sequences, heads, longest, head_dim]
    return x.index_select(0, gather).view({count, longest, x.size(1), x.size(2)}).transpose(1, 2);
  };
  const at::Tensor keys = lay_out(key).repeat_interleave(group, 1);
  const at::Tensor values = lay_out(value).repeat_interleave(group, 1);
  const double scale = 1.0 / std::sqrt(static_cast<double>(query.size(2)));
  const at::Tensor place = at::arange(longest, query.options().dtype(at::kLong));
  const at::Tensor hidden = place.unsqueeze(0).gt(place.unsqueeze(1));
  const at::Tensor scores = at::matmul(lay_out(query), keys.transpose(-1, -2)) * scale;
  const at::Tensor weights = at::softmax(scores.masked_fill(hidden, -std::numeric_limits<double>::infinity()), -1);
  const at::Tensor mixed = at::matmul(weights, values).transpose(1, 2).reshape({count * longest, -1});
  return mixed.index_select(0, unpadded.to(query.device()));
}

}  // namespace mathtrap

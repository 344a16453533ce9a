#include "model/rotary.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <numbers>

namespace mathtrap {
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

RotaryTable rotary_table(const ModelConfig& config, std::int64_t count, const at::Device& device) {
  const std::vector<double> frequencies = rotary_frequencies(config);
  const auto pairs = static_cast<std::int64_t>(frequencies.size());
  const at::Tensor cosine = at::empty({count, pairs}, at::kFloat);
  const at::Tensor sine = at::empty({count, pairs}, at::kFloat);
  auto* cosines = cosine.data_ptr<float>();
  auto* sines = sine.data_ptr<float>();
  for (std::int64_t position = 0; position < count; ++position) {
    for (const double frequency : frequencies) {
      const double angle = static_cast<double>(position) * frequency;
      *cosines++ = static_cast<float>(std::cos(angle));
      *sines++ = static_cast<float>(std::sin(angle));
    }
  }
  return {cosine.to(device), sine.to(device)};
}

}  // namespace mathtrap

#include "finetune/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace mathtrap {

double training_progress(const TrainingLimits& limits, const TrainingSpent& spent) {
  double progress = 0;
  const auto take = [&](double used, double limit) {
    if (limit > 0) progress = std::max(progress, std::min(1.0, used / limit));
  };
  take(static_cast<double>(spent.steps), static_cast<double>(limits.steps));
  take(static_cast<double>(spent.tokens), static_cast<double>(limits.tokens));
  take(spent.seconds, limits.seconds);
  return progress;
}

double learning_rate(const OptimizerOptions& options, double progress) {
  if (progress < options.warmup_share) return options.learning_rate * progress / options.warmup_share;
  const double rest = std::min(1.0, (progress - options.warmup_share) / (1 - options.warmup_share));
  const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * rest));
  return options.learning_rate * (options.final_share + (1 - options.final_share) * cosine);
}

}  // namespace mathtrap

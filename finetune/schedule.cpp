#include "finetune/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "support/error.h"

namespace mathtrap {

Schedule parse_schedule(std::string_view text) {
  for (const Schedule schedule : {Schedule::cosine, Schedule::linear, Schedule::constant}) {
    if (text == to_string(schedule)) return schedule;
  }
  throw Error(fmt::format("the schedule '{}' is unknown; use cosine, linear or constant", text));
}

std::string_view to_string(Schedule schedule) {
  switch (schedule) {
    case Schedule::cosine:
      return "cosine";
    case Schedule::linear:
      return "linear";
    case Schedule::constant:
      break;
  }
  return "constant";
}

double training_progress(const TrainingLimits& limits, const TrainingSpent& spent) {
  double progress = 0;
  const auto take = [&](double used, double limit) {
    if (limit > 0) progress = std::max(progress, std::min(1.0, used / limit));
  };
  take(static_cast<double>(spent.steps), static_cast<double>(limits.steps));
  take(static_cast<double>(spent.tokens), static_cast<double>(limits.tokens));
  take(static_cast<double>(spent.documents), static_cast<double>(limits.documents));
  take(spent.seconds, limits.seconds);
  return progress;
}

double learning_rate(const OptimizerOptions& options, double progress) {
  if (progress < options.warmup_share) return options.learning_rate * progress / options.warmup_share;
  const double done = std::min(1.0, (progress - options.warmup_share) / (1 - options.warmup_share));
  double share = 1;  // of what lies between the highest and the last rate
  if (options.schedule == Schedule::cosine) share = 0.5 * (1 + std::cos(std::numbers::pi * done));
  if (options.schedule == Schedule::linear) share = 1 - done;
  return options.learning_rate * (options.final_share + (1 - options.final_share) * share);
}

}  // namespace mathtrap

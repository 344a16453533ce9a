// The optimiser's settings, how long a training lasts, and the learning rate on the way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mathtrap {

/// How the learning rate goes from its highest to its last value.
enum class Schedule { cosine, linear, constant };
/// "cosine", "linear", "constant". Throws Error naming the schedules.
Schedule parse_schedule(std::string_view text);
std::string_view to_string(Schedule schedule);

struct OptimizerOptions {
  double learning_rate = 2e-3;  ///< the highest, after warm-up
  Schedule schedule = Schedule::cosine;
  double final_share = 0.1;    ///< of the highest rate, at the end; not with Schedule::constant
  double warmup_share = 0.02;  ///< of the training, linear from 0
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  ///< on matrices but the embedding; not on norms
  double clip_norm = 1.0;     ///< of the gradient of all weights together
};

/// A training ends at the first limit that it reaches. 0: no such limit.
struct TrainingLimits {
  std::int64_t steps = 0;
  std::int64_t tokens = 0;     ///< prompts included
  std::int64_t documents = 0;  ///< those of `epochs` passes over the data, where that is the limit
  double seconds = 0;
};

/// What a training has used up, over all interruptions.
struct TrainingSpent {
  std::int64_t steps = 0;
  std::int64_t tokens = 0;
  std::int64_t documents = 0;
  double seconds = 0;
};

/// The share of a training that is done, in [0, 1]: the largest part used up of any limit. So the learning rate has
/// fallen when the training ends, whichever limit ends it. Under limits other than time a training can be repeated to
/// the bit; under one of time the rate depends on the machine's speed.
double training_progress(const TrainingLimits& limits, const TrainingSpent& spent);

/// Linear warm-up, then the schedule down to `final_share`. `progress` in [0, 1] is the share of the training done.
double learning_rate(const OptimizerOptions& options, double progress);

}  // namespace mathtrap

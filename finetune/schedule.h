// The optimiser's settings, and the learning rate over a training.
#pragma once

namespace mathtrap {

struct OptimizerOptions {
  double learning_rate = 2e-3;  ///< the highest, after warm-up
  double final_share = 0.1;     ///< of it, at the end of the cosine
  double warmup_share = 0.02;   ///< of the training, linear from 0
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  ///< on matrices but the embedding; not on norms
  double clip_norm = 1.0;     ///< of the gradient of all weights together
};

/// Linear warm-up, then half a cosine down to `final_share`. `progress` in [0, 1] is the share of the training done.
double learning_rate(const OptimizerOptions& options, double progress);

}  // namespace mathtrap

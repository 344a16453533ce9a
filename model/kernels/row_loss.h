// Cross entropy of rows of logits, forward and backward.
#pragma once

#include <cstdint>

#include "model/kernels/elementwise.h"

namespace mathtrap {

struct RowLoss {
  const float* logits = nullptr;          ///< [rows, width]
  const std::int64_t* targets = nullptr;  ///< [rows]; below 0: the row does not count
  float* log_sums = nullptr;              ///< [rows] log of the sum of exp(logits); written by row_losses
  float* losses = nullptr;                ///< [rows] log_sums - logits[target], or 0
  float* gradients = nullptr;             ///< [rows, width] factor * (softmax - one-hot), or 0
  float factor = 1;
  std::int64_t width = 0;
};
void row_losses(const RowLoss& work, RowRange rows);
void row_loss_gradients(const RowLoss& work, RowRange rows);

}  // namespace mathtrap

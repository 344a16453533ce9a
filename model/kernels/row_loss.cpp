#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/row_loss.cpp"
#include <hwy/foreach_target.h>
// foreach_target must come first.
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "model/kernels/attention-inl.h"
#include "model/kernels/row_loss.h"

HWY_BEFORE_NAMESPACE();
namespace mathtrap {
namespace HWY_NAMESPACE {

constexpr auto kStep = static_cast<std::ptrdiff_t>(kLanes);

float log_sum_of_row(const float* logits, std::ptrdiff_t width) {
  const Floats d;
  const float most = largest(logits, static_cast<std::size_t>(width));
  FloatVector sums[kParts];
  for (FloatVector& part : sums) part = hn::Zero(d);
  const std::ptrdiff_t whole = width - width % static_cast<std::ptrdiff_t>(kPartialSums);
  std::ptrdiff_t i = 0;
  while (i < whole) {
    for (std::size_t part = 0; part < kParts; ++part, i += kStep) {
      sums[part] = hn::Add(sums[part], hn::Exp(d, hn::Sub(load_floats(logits + i), hn::Set(d, most))));
    }
  }
  float rest[kPartialSums];
  std::fill_n(rest, kPartialSums, -std::numeric_limits<float>::infinity());
  std::copy(logits + whole, logits + width, rest);
  for (std::size_t part = 0; part < kParts; ++part) {
    const FloatVector value = hn::Sub(load_floats(rest + part * kLanes), hn::Set(d, most));
    sums[part] = hn::Add(sums[part], hn::Exp(d, value));
  }
  return most + std::log(sum_of_parts(sums));
}

void losses_of(const RowLoss& work, const RowRange& rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const float* const logits = work.logits + row * work.width;
    const std::int64_t target = work.targets[row];
    work.log_sums[row] = target < 0 ? 0 : log_sum_of_row(logits, work.width);
    work.losses[row] = target < 0 ? 0 : work.log_sums[row] - logits[target];
  }
}

void gradients_of(const RowLoss& work, const RowRange& rows) {
  const Floats d;
  const FloatVector factor = hn::Set(d, work.factor);
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const float* const logits = work.logits + row * work.width;
    float* const gradients = work.gradients + row * work.width;
    if (work.targets[row] < 0) {
      std::fill_n(gradients, work.width, 0.0F);
      continue;
    }
    const FloatVector log_sum = hn::Set(d, work.log_sums[row]);
    for (std::ptrdiff_t i = 0; i < work.width; i += kStep) {
      const FloatVector softmax = hn::Exp(d, hn::Sub(load_up_to(logits + i, work.width - i), log_sum));
      store_up_to(hn::Mul(softmax, factor), work.width - i, gradients + i);
    }
    gradients[work.targets[row]] -= work.factor;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace mathtrap
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mathtrap {

HWY_EXPORT(losses_of);
HWY_EXPORT(gradients_of);

void row_losses(const RowLoss& work, RowRange rows) {
  HWY_DYNAMIC_DISPATCH(losses_of)(work, rows);
}
void row_loss_gradients(const RowLoss& work, RowRange rows) {
  HWY_DYNAMIC_DISPATCH(gradients_of)(work, rows);
}

}  // namespace mathtrap
#endif  // HWY_ONCE

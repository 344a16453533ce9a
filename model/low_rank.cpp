#include "model/low_rank.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "support/random.h"

namespace mathtrap {
namespace {

constexpr std::int64_t kGrain = 1 << 14;  // features that one thread draws at a time

std::size_t index_of(Projection projection) {
  return static_cast<std::size_t>(projection);
}

/// 0 where a feature is dropped, else 1 / (1 - dropout). Each element's draw is a function of seed and place, so that a
/// layer computed again drops the same ones, whatever the number of threads.
at::Tensor dropout_mask(const at::Tensor& x, double dropout, std::uint64_t seed) {
  at::Tensor mask = at::empty_like(x, x.options().dtype(at::kFloat).device(at::kCPU));
  auto* values = mask.data_ptr<float>();
  const auto kept = static_cast<float>(1 / (1 - dropout));
  at::parallel_for(0, x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const double draw = static_cast<double>(mix64(seed + static_cast<std::uint64_t>(i)) >> 11) * 0x1p-53;
      values[i] = draw < dropout ? 0.0F : kept;
    }
  });
  return mask.to(x.options());
}

at::Tensor low_rank_product(const at::Tensor& x, const LowRankUpdate& update, std::uint64_t seed,
                            Arithmetic arithmetic) {
  const at::ScalarType type = arithmetic == Arithmetic::bf16 ? at::kBFloat16 : at::kFloat;
  at::Tensor input = x;
  if (update.dropout > 0 && at::GradMode::is_enabled()) input = x * dropout_mask(x, update.dropout, seed);
  const at::Tensor inner = at::mm(input.to(type), update.a.to(type).t());
  return at::mm(inner, update.b.to(type).t()) * update.scale;
}

}  // namespace

at::Tensor add_low_rank(const at::Tensor& y, const at::Tensor& x, const LayerUpdates& updates,
                        const std::vector<std::pair<Projection, std::int64_t>>& widths, std::uint64_t dropout_seed,
                        Arithmetic arithmetic) {
  std::vector<at::Tensor> parts;
  bool any = false;
  for (const auto& [projection, width] : widths) {
    const LowRankUpdate& update = updates.at(index_of(projection));
    any = any || update.defined();
    if (update.defined()) {
      const std::uint64_t seed = mix64(dropout_seed + index_of(projection));
      parts.push_back(low_rank_product(x, update, seed, arithmetic).to(y.scalar_type()));
    } else {
      parts.push_back(at::zeros({y.size(0), width}, y.options()));
    }
  }
  if (!any) return y;
  return y + (parts.size() == 1 ? parts[0] : at::cat(parts, 1));
}

at::Tensor merged_weight(const at::Tensor& weight, const LowRankUpdate& update) {
  return weight.to(at::kFloat) + at::mm(update.b.to(at::kFloat), update.a.to(at::kFloat)) * update.scale;
}

}  // namespace mathtrap

// Sums in one fixed order, whatever the vector width: 16 partial sums, term k in partial sum k mod 16, then a tree.
// Part of a kernel's translation unit that Highway compiles once an instruction set (hence the toggled guard).
#if defined(MATHTRAP_MODEL_KERNELS_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MATHTRAP_MODEL_KERNELS_LANES_INL_H_
#undef MATHTRAP_MODEL_KERNELS_LANES_INL_H_
#else
#define MATHTRAP_MODEL_KERNELS_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace mathtrap {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Partial sums of a reduction: the widest vector's lanes, so that narrower ones add in the same order.
inline constexpr std::size_t kPartialSums = 16;
using Floats = hn::CappedTag<float, kPartialSums>;
using FloatVector = hn::Vec<Floats>;
inline constexpr std::size_t kLanes = hn::MaxLanes(Floats());
/// Vectors that together hold the partial sums.
inline constexpr std::size_t kParts = kPartialSums / kLanes;
inline constexpr std::size_t kBlock = 4;  // lanes of a 128-bit block

HWY_INLINE FloatVector load_floats(const float* from) {
  return hn::LoadU(Floats(), from);
}
HWY_INLINE FloatVector load_floats(const hwy::bfloat16_t* from) {
  return hn::PromoteTo(Floats(), hn::LoadU(hn::Rebind<hwy::bfloat16_t, Floats>(), from));
}
HWY_INLINE FloatVector load_floats(const hwy::float16_t* from) {
  return hn::PromoteTo(Floats(), hn::LoadU(hn::Rebind<hwy::float16_t, Floats>(), from));
}

HWY_INLINE void store_floats(FloatVector v, float* to) {
  hn::StoreU(v, Floats(), to);
}
/// Rounds to nearest, ties to even (Highway's own conversion cuts off).
HWY_INLINE void store_floats(FloatVector v, hwy::bfloat16_t* to) {
  const hn::RebindToUnsigned<Floats> bits;
  const hn::RebindToSigned<Floats> whole;
  const hn::Rebind<std::uint16_t, Floats> narrow;
  const auto wide = hn::BitCast(bits, v);
  const auto last_kept = hn::And(hn::ShiftRight<16>(wide), hn::Set(bits, 1));
  const auto rounded = hn::Add(wide, hn::Add(last_kept, hn::Set(bits, 0x7FFF)));
  hn::StoreU(hn::DemoteTo(narrow, hn::BitCast(whole, hn::ShiftRight<16>(rounded))), narrow,
             reinterpret_cast<std::uint16_t*>(to));
}

/// The first `count` floats, and zeros behind them. Any count.
template <typename T>
HWY_INLINE FloatVector load_up_to(const T* from, std::ptrdiff_t count) {
  if (count >= static_cast<std::ptrdiff_t>(kLanes)) return load_floats(from);
  T padded[kLanes] = {};
  for (std::ptrdiff_t i = 0; i < count; ++i) padded[i] = from[i];
  return load_floats(padded);
}

/// Stores the first `count` floats.
template <typename T>
HWY_INLINE void store_up_to(FloatVector v, std::ptrdiff_t count, T* to) {
  if (count >= static_cast<std::ptrdiff_t>(kLanes)) return store_floats(v, to);
  T padded[kLanes];
  store_floats(v, padded);
  for (std::ptrdiff_t i = 0; i < count; ++i) to[i] = padded[i];
}

/// Adds the blocks of a vector: halves onto each other until four lanes are left.
template <class D>
HWY_INLINE hn::Vec<hn::CappedTag<float, kBlock>> add_blocks(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(d) == kBlock) {
    return v;
  } else {
    const hn::Half<D> half;
    return add_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

/// Within each block: lane i of the result is the sum of the block's four lanes of argument i, (0 + 2) + (1 + 3).
HWY_INLINE FloatVector add_within_blocks(FloatVector a, FloatVector b, FloatVector c, FloatVector e) {
  const Floats d;
  const hn::Repartition<double, Floats> pairs;
  const auto ab = hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  const auto ce = hn::Add(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e));
  const auto even = hn::InterleaveLower(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, ce));
  const auto odd = hn::InterleaveUpper(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, ce));
  return hn::Add(hn::BitCast(d, even), hn::BitCast(d, odd));
}

/// Adds the parts as if they were one vector of 16 lanes: its halves first.
HWY_INLINE FloatVector add_parts(const FloatVector* parts) {
  if constexpr (kParts == 1) return parts[0];
  if constexpr (kParts == 2) return hn::Add(parts[0], parts[1]);
  if constexpr (kParts == 4) return hn::Add(hn::Add(parts[0], parts[2]), hn::Add(parts[1], parts[3]));
}

/// The sum of 16 partial sums that lie in `parts`.
HWY_INLINE float sum_of_parts(const FloatVector* parts) {
  FloatVector within[kParts];
  for (std::size_t part = 0; part < kParts; ++part) {
    within[part] = add_within_blocks(parts[part], parts[part], parts[part], parts[part]);
  }
  return hn::GetLane(add_blocks(Floats(), add_parts(within)));
}

}  // namespace HWY_NAMESPACE
}  // namespace mathtrap
HWY_AFTER_NAMESPACE();

#endif  // toggled guard

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/training_attention.cpp"
#include <hwy/foreach_target.h>
// foreach_target must come first.
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "model/kernels/attention-inl.h"
#include "model/kernels/training_attention.h"

HWY_BEFORE_NAMESPACE();
namespace mathtrap {
namespace HWY_NAMESPACE {

/// Rows of queries whose gradients are computed together: their scores and the gradients of these stay in the cache.
constexpr std::size_t kBackwardRows = 8 * kMixRows;

std::size_t whole_vectors(std::size_t count) {
  return (count + kPartialSums - 1) / kPartialSums * kPartialSums;
}

/// One head of one sequence in f32: rows [tokens, width], filled up with zeros, and the same turned [width, places].
struct Head {
  std::vector<float> rows;
  std::vector<float> turned;
};

/// What a thread works in. Vectors keep their memory from call to call.
struct Scratch {
  std::size_t tokens = 0;
  std::size_t head_dim = 0;
  std::size_t width = 0;   ///< head_dim, to whole vectors
  std::size_t places = 0;  ///< tokens, to whole vectors
  Head query, key, value, result_gradient;
  std::vector<float> result;
  std::vector<float> scores;           ///< [rows, places]
  std::vector<float> score_gradients;  ///< [rows, places]
  std::vector<float> query_gradient, key_gradient, value_gradient;
};

/// Which way rotary embedding turns: forward, and back for gradients.
enum class Turn { none, forward, back };

/// Turns a row in place by the angles of its position.
HWY_INLINE void turn_row(float* row, const float* cosine, const float* sine, std::ptrdiff_t half, Turn turn) {
  if (turn == Turn::none) return;
  for (std::ptrdiff_t i = 0; i < half; i += static_cast<std::ptrdiff_t>(kLanes)) {
    const std::ptrdiff_t left = half - i;
    const FloatVector first = load_up_to(row + i, left);
    const FloatVector second = load_up_to(row + half + i, left);
    const FloatVector c = load_up_to(cosine + i, left);
    FloatVector s = load_up_to(sine + i, left);
    if (turn == Turn::back) s = hn::Neg(s);
    store_up_to(hn::NegMulAdd(second, s, hn::Mul(first, c)), left, row + i);
    store_up_to(hn::MulAdd(first, s, hn::Mul(second, c)), left, row + half + i);
  }
}

/// Where a head's rows lie in a flat tensor.
template <typename T>
struct FlatRows {
  T* first = nullptr;
  std::size_t stride = 0;
};

template <typename T>
void load_head(const TrainingAttention& work, const Scratch& scratch, FlatRows<const T> flat, Turn turn, float scale,
               std::vector<float>& rows) {
  const auto head_dim = static_cast<std::ptrdiff_t>(scratch.head_dim);
  const std::ptrdiff_t half = head_dim / 2;
  const FloatVector scales = hn::Set(Floats(), scale);
  rows.assign(scratch.tokens * scratch.width, 0.0F);
  for (std::size_t token = 0; token < scratch.tokens; ++token) {
    const T* const from = flat.first + token * flat.stride;
    float* const to = rows.data() + token * scratch.width;
    for (std::ptrdiff_t i = 0; i < head_dim; i += static_cast<std::ptrdiff_t>(kLanes)) {
      store_floats(hn::Mul(load_up_to(from + i, head_dim - i), scales), to + i);
    }
    const std::ptrdiff_t angles = static_cast<std::ptrdiff_t>(token) * half;
    turn_row(to, work.cosine + angles, work.sine + angles, half, turn);
  }
}

template <typename T>
void store_head(const TrainingAttention& work, const Scratch& scratch, std::vector<float>& rows, Turn turn, float scale,
                FlatRows<T> flat) {
  const auto head_dim = static_cast<std::ptrdiff_t>(scratch.head_dim);
  const std::ptrdiff_t half = head_dim / 2;
  const FloatVector scales = hn::Set(Floats(), scale);
  for (std::size_t token = 0; token < scratch.tokens; ++token) {
    float* const from = rows.data() + token * scratch.width;
    const std::ptrdiff_t angles = static_cast<std::ptrdiff_t>(token) * half;
    turn_row(from, work.cosine + angles, work.sine + angles, half, turn);
    T* const to = flat.first + token * flat.stride;
    for (std::ptrdiff_t i = 0; i < head_dim; i += static_cast<std::ptrdiff_t>(kLanes)) {
      store_up_to(hn::Mul(load_floats(from + i), scales), head_dim - i, to + i);
    }
  }
}

void turn_over(const Scratch& scratch, Head& head) {
  head.turned.assign(scratch.head_dim * scratch.places, 0.0F);
  for (std::size_t token = 0; token < scratch.tokens; ++token) {
    for (std::size_t i = 0; i < scratch.head_dim; ++i) {
      head.turned[i * scratch.places + token] = head.rows[token * scratch.width + i];
    }
  }
}

/// The flat places of a query head, or of a key or value head.
template <typename T>
FlatRows<T> flat_head(const TrainingAttention& work, T* base, std::int64_t token, std::int64_t head) {
  const std::int64_t row = (work.heads + 2 * work.kv_heads) * work.head_dim;
  return {base + token * row + head * work.head_dim, static_cast<std::size_t>(row)};
}

template <typename T>
FlatRows<T> flat_result(const TrainingAttention& work, T* base, std::int64_t token, std::int64_t head) {
  const std::int64_t row = work.heads * work.head_dim;
  return {base + token * row + head * work.head_dim, static_cast<std::size_t>(row)};
}

/// Sizes of a sequence, its key and its value in f32.
template <typename T>
Scratch& prepare(const TrainingAttention& work, std::int64_t begin, std::int64_t end, std::int64_t kv_head) {
  thread_local Scratch scratch;
  scratch.tokens = static_cast<std::size_t>(end - begin);
  scratch.head_dim = static_cast<std::size_t>(work.head_dim);
  scratch.width = whole_vectors(scratch.head_dim);
  scratch.places = whole_vectors(scratch.tokens);
  const auto* const base = static_cast<const T*>(work.query_key_value);
  load_head(work, scratch, flat_head(work, base, begin, work.heads + kv_head), Turn::forward, 1.0F, scratch.key.rows);
  load_head(work, scratch, flat_head(work, base, begin, work.heads + work.kv_heads + kv_head), Turn::none, 1.0F,
            scratch.value.rows);
  turn_over(scratch, scratch.key);
  return scratch;
}

/// to[row][place] = from[first + row] · turned[place], for the places that the rows see.
void score_rows(const Scratch& scratch, const Head& from, const Head& against, std::size_t first, std::size_t count,
                float* to) {
  const std::size_t columns = whole_vectors(first + count);
  for (std::size_t row = 0; row < count; ++row) std::fill_n(to + row * scratch.places, columns, 0.0F);
  const Mix mix = {from.rows.data() + first * scratch.width,
                   scratch.width,
                   1,
                   against.turned.data(),
                   scratch.places,
                   0,
                   scratch.head_dim,
                   to,
                   scratch.places};
  mix_rows(mix, count, columns);
}

/// Hides from a query what lies before its window: exp gives 0 there.
void hide_before_window(const TrainingAttention& work, float* scores, std::size_t seen) {
  const auto window = static_cast<std::size_t>(work.window);
  if (window != 0 && seen > window) std::fill_n(scores, seen - window, -std::numeric_limits<float>::infinity());
}

template <typename T>
void forward(const TrainingAttention& work, std::int64_t begin, std::int64_t end, std::int64_t kv_head) {
  Scratch& scratch = prepare<T>(work, begin, end, kv_head);
  const std::int64_t group = work.heads / work.kv_heads;
  const float scale = 1 / std::sqrt(static_cast<float>(work.head_dim));
  scratch.scores.resize(kMixRows * scratch.places);
  for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    load_head(work, scratch, flat_head(work, static_cast<const T*>(work.query_key_value), begin, head), Turn::forward,
              scale, scratch.query.rows);
    scratch.result.assign(scratch.tokens * scratch.width, 0.0F);
    for (std::size_t first = 0; first < scratch.tokens; first += kMixRows) {
      const std::size_t count = std::min(kMixRows, scratch.tokens - first);
      float* const scores = scratch.scores.data();
      score_rows(scratch, scratch.query, scratch.key, first, count, scores);
      const std::size_t columns = whole_vectors(first + count);
      for (std::size_t row = 0; row < count; ++row) {
        float* const weights = scores + row * scratch.places;
        const std::size_t seen = first + row + 1;
        hide_before_window(work, weights, seen);
        const float most = largest(weights, seen);
        const float sum = exponentiate(weights, seen, most);
        std::fill(weights + whole_vectors(seen), weights + columns, 0.0F);
        const FloatVector inverse = hn::Set(Floats(), 1 / sum);
        for (std::size_t i = 0; i < columns; i += kLanes) {
          store_floats(hn::Mul(load_floats(weights + i), inverse), weights + i);
        }
        work.log_sums[(begin + static_cast<std::int64_t>(first + row)) * work.heads + head] = most + std::log(sum);
      }
      const Mix mix = {scores,
                       scratch.places,
                       1,
                       scratch.value.rows.data(),
                       scratch.width,
                       0,
                       first + count,
                       scratch.result.data() + first * scratch.width,
                       scratch.width};
      mix_rows(mix, count, scratch.width);
    }
    store_head(work, scratch, scratch.result, Turn::none, 1.0F,
               flat_result(work, static_cast<T*>(work.result), begin, head));
  }
}

/// Softmax weights of a block of rows into scratch.scores, the scores' gradients into scratch.score_gradients.
void differentiate_scores(const TrainingAttention& work, Scratch& scratch, std::int64_t begin, std::int64_t head,
                          std::size_t first, std::size_t count) {
  for (std::size_t row = 0; row < count; row += kMixRows) {
    const std::size_t rows = std::min(kMixRows, count - row);
    score_rows(scratch, scratch.query, scratch.key, first + row, rows, scratch.scores.data() + row * scratch.places);
    score_rows(scratch, scratch.result_gradient, scratch.value, first + row, rows,
               scratch.score_gradients.data() + row * scratch.places);
  }
  const Floats d;
  const std::size_t columns = whole_vectors(first + count);
  for (std::size_t row = 0; row < count; ++row) {
    float* const weights = scratch.scores.data() + row * scratch.places;
    float* const gradients = scratch.score_gradients.data() + row * scratch.places;
    const std::size_t seen = first + row + 1;
    const float log_sum = work.log_sums[(begin + static_cast<std::int64_t>(first + row)) * work.heads + head];
    hide_before_window(work, weights, seen);
    exponentiate(weights, seen, log_sum);
    const std::size_t filled = whole_vectors(seen);
    FloatVector products[kParts];
    for (FloatVector& part : products) part = hn::Zero(d);
    for (std::size_t i = 0; i < filled;) {
      for (std::size_t part = 0; part < kParts; ++part, i += kLanes) {
        products[part] = hn::MulAdd(load_floats(weights + i), load_floats(gradients + i), products[part]);
      }
    }
    const FloatVector mean = hn::Set(d, sum_of_parts(products));
    for (std::size_t i = 0; i < filled; i += kLanes) {
      const FloatVector change = hn::Sub(load_floats(gradients + i), mean);
      store_floats(hn::Mul(load_floats(weights + i), change), gradients + i);
    }
    std::fill(weights + filled, weights + columns, 0.0F);
    std::fill(gradients + filled, gradients + columns, 0.0F);
  }
}

/// to[place] += sum over the block's rows of scores[row][place] * from[row], for the places that the rows see.
void add_to_places(const Scratch& scratch, const std::vector<float>& scores, const Head& from, std::size_t first,
                   std::size_t count, std::vector<float>& to) {
  for (std::size_t place = 0; place < first + count; place += kMixRows) {
    const Mix mix = {scores.data() + place,
                     1,
                     scratch.places,
                     from.rows.data() + first * scratch.width,
                     scratch.width,
                     place > first ? place - first : 0,
                     count,
                     to.data() + place * scratch.width,
                     scratch.width};
    mix_rows(mix, std::min(kMixRows, first + count - place), scratch.width);
  }
}

template <typename T>
void backward(const TrainingAttention& work, std::int64_t begin, std::int64_t end, std::int64_t kv_head) {
  Scratch& scratch = prepare<T>(work, begin, end, kv_head);
  turn_over(scratch, scratch.value);
  const std::int64_t group = work.heads / work.kv_heads;
  const float scale = 1 / std::sqrt(static_cast<float>(work.head_dim));
  const std::size_t size = scratch.tokens * scratch.width;
  scratch.scores.resize(kBackwardRows * scratch.places);
  scratch.score_gradients.resize(kBackwardRows * scratch.places);
  scratch.key_gradient.assign(size, 0.0F);
  scratch.value_gradient.assign(size, 0.0F);
  auto* const gradient = static_cast<T*>(work.query_key_value_gradient);
  for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    load_head(work, scratch, flat_head(work, static_cast<const T*>(work.query_key_value), begin, head), Turn::forward,
              scale, scratch.query.rows);
    load_head(work, scratch, flat_result(work, static_cast<const T*>(work.result_gradient), begin, head), Turn::none,
              1.0F, scratch.result_gradient.rows);
    scratch.query_gradient.assign(size, 0.0F);
    for (std::size_t first = 0; first < scratch.tokens; first += kBackwardRows) {
      const std::size_t count = std::min(kBackwardRows, scratch.tokens - first);
      differentiate_scores(work, scratch, begin, head, first, count);
      for (std::size_t row = 0; row < count; row += kMixRows) {
        const std::size_t rows = std::min(kMixRows, count - row);
        const Mix mix = {scratch.score_gradients.data() + row * scratch.places,
                         scratch.places,
                         1,
                         scratch.key.rows.data(),
                         scratch.width,
                         0,
                         first + row + rows,
                         scratch.query_gradient.data() + (first + row) * scratch.width,
                         scratch.width};
        mix_rows(mix, rows, scratch.width);
      }
      add_to_places(scratch, scratch.scores, scratch.result_gradient, first, count, scratch.value_gradient);
      add_to_places(scratch, scratch.score_gradients, scratch.query, first, count, scratch.key_gradient);
    }
    store_head(work, scratch, scratch.query_gradient, Turn::back, scale, flat_head(work, gradient, begin, head));
  }
  // Queries were scaled as they were loaded: the scale is in the keys' gradients already.
  store_head(work, scratch, scratch.key_gradient, Turn::back, 1.0F,
             flat_head(work, gradient, begin, work.heads + kv_head));
  store_head(work, scratch, scratch.value_gradient, Turn::none, 1.0F,
             flat_head(work, gradient, begin, work.heads + work.kv_heads + kv_head));
}

void forward_of(const TrainingAttention& work, std::int64_t begin, std::int64_t end, std::int64_t kv_head) {
  if (work.type == Element::bf16) forward<hwy::bfloat16_t>(work, begin, end, kv_head);
  if (work.type == Element::f32) forward<float>(work, begin, end, kv_head);
}

void backward_of(const TrainingAttention& work, std::int64_t begin, std::int64_t end, std::int64_t kv_head) {
  if (work.type == Element::bf16) backward<hwy::bfloat16_t>(work, begin, end, kv_head);
  if (work.type == Element::f32) backward<float>(work, begin, end, kv_head);
}

}  // namespace HWY_NAMESPACE
}  // namespace mathtrap
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mathtrap {

HWY_EXPORT(forward_of);
HWY_EXPORT(backward_of);

void training_attention(const TrainingAttention& work, std::int64_t begin, std::int64_t end, std::int64_t kv_head) {
  HWY_DYNAMIC_DISPATCH(forward_of)(work, begin, end, kv_head);
}

void training_attention_backward(const TrainingAttention& work, std::int64_t begin, std::int64_t end,
                                 std::int64_t kv_head) {
  HWY_DYNAMIC_DISPATCH(backward_of)(work, begin, end, kv_head);
}

}  // namespace mathtrap
#endif  // HWY_ONCE

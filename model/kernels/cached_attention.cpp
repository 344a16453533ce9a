#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/cached_attention.cpp"
#include <hwy/foreach_target.h>
// foreach_target must come first.
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "model/kernels/attention-inl.h"
#include "model/kernels/cached_attention.h"
#include "model/kernels/product_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mathtrap {
namespace HWY_NAMESPACE {

constexpr std::size_t kRowsTogether = std::min(kTileRows, kMixRows);

/// Queries that are computed together, with room for their scores. All read one key/value head.
struct QueryRows {
  std::size_t width = 0;   ///< elements of a row of queries, keys and values
  std::size_t stride = 0;  ///< elements of a row of scores
  std::vector<float> queries;
  std::vector<float> scores;
  std::vector<float> mixed;
};

/// The positions that a row sees.
struct Seen {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Scores, softmax and mix of `count` rows; `seen` of each row, not decreasing.
void attend_rows(QueryRows& rows, std::size_t count, const Seen* seen, const float* keys, const float* values) {
  const std::size_t longest = seen[count - 1].end;
  for (std::size_t position = seen[0].begin; position < longest; position += kTileColumns) {
    product_tile_of<float>(count, rows.queries.data(), rows.width, keys + position * rows.width, rows.width,
                           std::min(kTileColumns, longest - position), rows.width, rows.scores.data() + position,
                           rows.stride);
  }
  float inverse[kRowsTogether];
  for (std::size_t row = 0; row < count; ++row) {
    float* const scores = rows.scores.data() + row * rows.stride;
    const std::size_t length = seen[row].end - seen[row].begin;
    inverse[row] = 1 / exponentiate(scores + seen[row].begin, length, largest(scores + seen[row].begin, length));
  }
  std::fill_n(rows.mixed.begin(), count * rows.width, 0.0F);
  const auto mix_row = [&](std::size_t row, std::size_t begin, std::size_t end) {
    const Mix mix = {rows.scores.data() + row * rows.stride, rows.stride, 1, values, rows.width, begin, end,
                     rows.mixed.data() + row * rows.width,   rows.width};
    mix_rows(mix, 1, rows.width);
  };
  // Positions that all rows see are mixed together, each row in the order of the positions nevertheless.
  const std::size_t common = seen[count - 1].begin;
  const std::size_t common_end = std::max(common, seen[0].end);
  for (std::size_t row = 0; row < count; ++row) mix_row(row, seen[row].begin, std::min(common, seen[row].end));
  const Mix mix = {rows.scores.data(), rows.stride,       1,         values, rows.width, common,
                   common_end,         rows.mixed.data(), rows.width};
  mix_rows(mix, count, rows.width);
  for (std::size_t row = 0; row < count; ++row) {
    mix_row(row, common_end, std::max(common_end, seen[row].end));
    for (std::size_t i = 0; i < rows.width; ++i) rows.mixed[row * rows.width + i] *= inverse[row];
  }
}

void attend(const CachedAttention& work, std::int64_t kv_head, std::int64_t token_begin, std::int64_t token_end) {
  thread_local QueryRows rows;
  const auto head_dim = static_cast<std::size_t>(work.head_dim);
  const std::int64_t group = work.heads / work.kv_heads;
  const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
  rows.width = static_cast<std::size_t>(cached_row_width(work.head_dim));
  rows.stride = static_cast<std::size_t>(work.first_position + token_end + static_cast<std::int64_t>(kPartialSums));
  rows.queries.assign(kRowsTogether * rows.width, 0.0F);
  rows.scores.resize(kRowsTogether * rows.stride);
  rows.mixed.resize(kRowsTogether * rows.width);
  const float* const keys = work.keys + kv_head * work.capacity * static_cast<std::int64_t>(rows.width);
  const float* const values = work.values + kv_head * work.capacity * static_cast<std::int64_t>(rows.width);
  // A row is a token's query of one head; the heads of a token follow each other.
  const std::int64_t end = token_end * group;
  for (std::int64_t first = token_begin * group; first < end; first += static_cast<std::int64_t>(kRowsTogether)) {
    const std::size_t count = static_cast<std::size_t>(std::min<std::int64_t>(kRowsTogether, end - first));
    Seen seen[kRowsTogether] = {};
    for (std::size_t row = 0; row < count; ++row) {
      const std::int64_t token = (first + static_cast<std::int64_t>(row)) / group;
      const std::int64_t head = kv_head * group + (first + static_cast<std::int64_t>(row)) % group;
      const float* const query = work.query + token * work.query_stride + head * work.head_dim;
      for (std::size_t i = 0; i < head_dim; ++i) rows.queries[row * rows.width + i] = query[i] * scale;
      const std::int64_t length = work.first_position + token + 1;
      const bool windowed = work.window != 0 && work.window < length;
      seen[row] = {static_cast<std::size_t>(windowed ? length - work.window : 0), static_cast<std::size_t>(length)};
    }
    attend_rows(rows, count, seen, keys, values);
    for (std::size_t row = 0; row < count; ++row) {
      const std::int64_t token = (first + static_cast<std::int64_t>(row)) / group;
      const std::int64_t head = kv_head * group + (first + static_cast<std::int64_t>(row)) % group;
      std::copy_n(rows.mixed.data() + row * rows.width, head_dim,
                  work.result + (token * work.heads + head) * work.head_dim);
    }
  }
}

std::int64_t row_width(std::int64_t head_dim) {
  constexpr auto kWidth = static_cast<std::int64_t>(kPartialSums);
  return (head_dim + kWidth - 1) / kWidth * kWidth;
}

}  // namespace HWY_NAMESPACE
}  // namespace mathtrap
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mathtrap {

HWY_EXPORT(attend);
HWY_EXPORT(row_width);

std::int64_t cached_row_width(std::int64_t head_dim) {
  return HWY_DYNAMIC_DISPATCH(row_width)(head_dim);
}

void attend_cached(const CachedAttention& work, std::int64_t kv_head, std::int64_t token_begin,
                   std::int64_t token_end) {
  HWY_DYNAMIC_DISPATCH(attend)(work, kv_head, token_begin, token_end);
}

}  // namespace mathtrap
#endif  // HWY_ONCE

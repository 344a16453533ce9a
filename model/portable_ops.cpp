#include "model/portable_ops.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace mathtrap::portable {
namespace {

/// The three parts of query_key_value, each [tokens, its heads, head_dim].
struct Heads {
  at::Tensor query;
  at::Tensor key;
  at::Tensor value;
};

Heads split_heads(const at::Tensor& query_key_value, const AttentionShape& shape) {
  const at::Tensor all = query_key_value.view({query_key_value.size(0), -1, shape.head_dim});
  return {all.narrow(1, 0, shape.heads), all.narrow(1, shape.heads, shape.kv_heads),
          all.narrow(1, shape.heads + shape.kv_heads, shape.kv_heads)};
}

/// Softmax of scores that causality and window let through, times values. query [.., queries, head_dim], key and value
/// [.., places, head_dim]; without a window (0) the last query sees all places.
at::Tensor attend(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, std::int64_t window) {
  const std::int64_t queries = query.size(-2);
  const std::int64_t places = key.size(-2);
  const at::TensorOptions whole = query.options().dtype(at::kLong);
  const at::Tensor last_seen = at::arange(places - queries, places, whole).unsqueeze(1);
  const at::Tensor place = at::arange(places, whole).unsqueeze(0);
  at::Tensor hidden = place.gt(last_seen);
  if (window != 0) hidden = hidden.logical_or(place.le(last_seen - window));
  const double scale = 1.0 / std::sqrt(static_cast<double>(query.size(-1)));
  const at::Tensor scores = at::matmul(query, key.transpose(-1, -2)) * scale;
  const at::Tensor weights = at::softmax(scores.masked_fill(hidden, -std::numeric_limits<double>::infinity()), -1);
  return at::matmul(weights, value);
}

/// Sequences side by side, filled up behind their ends to one length: causality keeps real tokens from seeing the
/// filling.
struct Padding {
  std::int64_t sequences = 0;
  std::int64_t longest = 0;
  at::Tensor to_flat;    ///< [sequences * longest] flat index of each place
  at::Tensor to_padded;  ///< [tokens] place of each flat index
  at::Tensor positions;  ///< [tokens]
};

Padding pad(const std::vector<std::int64_t>& starts, const at::Device& device) {
  Padding padding;
  padding.sequences = static_cast<std::int64_t>(starts.size()) - 1;
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
    padding.longest = std::max(padding.longest, starts[i + 1] - starts[i]);
  }
  padding.to_flat = at::empty({padding.sequences * padding.longest}, at::kLong);
  padding.to_padded = at::empty({starts.back()}, at::kLong);
  padding.positions = at::empty({starts.back()}, at::kLong);
  for (std::int64_t sequence = 0; sequence < padding.sequences; ++sequence) {
    const std::int64_t begin = starts[static_cast<std::size_t>(sequence)];
    const std::int64_t length = starts[static_cast<std::size_t>(sequence) + 1] - begin;
    auto* const to_flat = padding.to_flat.data_ptr<std::int64_t>() + sequence * padding.longest;
    for (std::int64_t i = 0; i < padding.longest; ++i) to_flat[i] = i < length ? begin + i : begin;
    for (std::int64_t i = 0; i < length; ++i) {
      padding.to_padded.data_ptr<std::int64_t>()[begin + i] = sequence * padding.longest + i;
      padding.positions.data_ptr<std::int64_t>()[begin + i] = i;
    }
  }
  padding.to_flat = padding.to_flat.to(device);
  padding.to_padded = padding.to_padded.to(device);
  padding.positions = padding.positions.to(device);
  return padding;
}

}  // namespace

at::Tensor linear(const at::Tensor& x, at::TensorList weights, Arithmetic arithmetic) {
  std::vector<at::Tensor> results;
  for (const at::Tensor& weight : weights) {
    const at::ScalarType type = arithmetic == Arithmetic::bf16 ? at::kBFloat16 : weight.scalar_type();
    results.push_back(at::linear(x.to(type), weight.to(type)).to(x.scalar_type()));
  }
  return results.size() == 1 ? results[0] : at::cat(results, -1);
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  const at::Tensor scale = at::rsqrt((x * x).mean(-1, true) + epsilon);
  return x * scale * weight.to(x.scalar_type());
}

at::Tensor swiglu(const at::Tensor& gate_up) {
  const std::int64_t width = gate_up.size(-1) / 2;
  return at::silu(gate_up.narrow(-1, 0, width)) * gate_up.narrow(-1, width, width);
}

at::Tensor rotary(const at::Tensor& x, const RotaryTable& table, const at::Tensor& positions) {
  const std::int64_t half = x.size(-1) / 2;
  const at::Tensor first = x.narrow(-1, 0, half);
  const at::Tensor second = x.narrow(-1, half, half);
  const at::Tensor cosine = table.cosine.index_select(0, positions).unsqueeze(1).to(x.scalar_type());
  const at::Tensor sine = table.sine.index_select(0, positions).unsqueeze(1).to(x.scalar_type());
  const at::Tensor turned[] = {first * cosine - second * sine, second * cosine + first * sine};
  return at::cat(turned, -1);
}

at::Tensor causal_attention(const at::Tensor& query_key_value, const AttentionShape& shape, const RotaryTable& table,
                            const std::vector<std::int64_t>& starts) {
  const Padding padding = pad(starts, query_key_value.device());
  const Heads heads = split_heads(query_key_value, shape);
  const auto lay_out = [&](const at::Tensor& x) {  // [sequences, heads, longest, head_dim]
    return x.index_select(0, padding.to_flat)
        .view({padding.sequences, padding.longest, x.size(1), shape.head_dim})
        .transpose(1, 2);
  };
  const std::int64_t group = shape.heads / shape.kv_heads;
  const at::Tensor query = lay_out(rotary(heads.query, table, padding.positions));
  const at::Tensor key = lay_out(rotary(heads.key, table, padding.positions)).repeat_interleave(group, 1);
  const at::Tensor value = lay_out(heads.value).repeat_interleave(group, 1);
  const at::Tensor mixed = attend(query, key, value, shape.window).transpose(1, 2);
  return mixed.reshape({padding.sequences * padding.longest, -1}).index_select(0, padding.to_padded);
}

at::Tensor cached_attention(const at::Tensor& query_key_value, const AttentionShape& shape, const RotaryTable& table,
                            std::span<const CachedSequence> sequences) {
  const Heads heads = split_heads(query_key_value, shape);
  const at::TensorOptions whole = query_key_value.options().dtype(at::kLong);
  const std::int64_t group = shape.heads / shape.kv_heads;
  std::vector<at::Tensor> results;
  for (const CachedSequence& sequence : sequences) {
    const std::int64_t end = sequence.first_position + sequence.tokens;
    const at::Tensor positions = at::arange(sequence.first_position, end, whole);
    const auto rows = [&](const at::Tensor& x) { return x.narrow(0, sequence.first_token, sequence.tokens); };
    const auto cached = [&](const at::Tensor& x, std::int64_t begin) {
      return x.narrow(1, begin, end - begin).narrow(2, 0, shape.head_dim);
    };
    const at::Tensor query = rotary(rows(heads.query), table, positions).transpose(0, 1);
    cached(sequence.keys, sequence.first_position).copy_(rotary(rows(heads.key), table, positions).transpose(0, 1));
    cached(sequence.values, sequence.first_position).copy_(rows(heads.value).transpose(0, 1));
    const at::Tensor key = cached(sequence.keys, 0).to(query.scalar_type()).repeat_interleave(group, 0);
    const at::Tensor value = cached(sequence.values, 0).to(query.scalar_type()).repeat_interleave(group, 0);
    results.push_back(attend(query, key, value, shape.window).transpose(0, 1).reshape({sequence.tokens, -1}));
  }
  return at::cat(results, 0);
}

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
  const at::Tensor counted = targets.ge(0);
  const at::Tensor safe = targets.clamp_min(0).unsqueeze(1);
  const at::Tensor losses = at::log_softmax(logits, -1).gather(1, safe).squeeze(1) * counted;
  return -losses.sum() / counted.sum().clamp_min(1);
}

}  // namespace mathtrap::portable

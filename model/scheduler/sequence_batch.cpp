#include "model/scheduler/sequence_batch.h"

#include <algorithm>

#include "model/scheduler/forward.h"

namespace mathtrap {
namespace {

/// Fewer equal tokens are not worth copying, or waiting for.
constexpr std::int64_t kSharedTokens = 16;

std::int64_t common_prefix(const std::vector<TokenId>& a, const std::vector<TokenId>& b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

std::int64_t left_to_compute(const Sequence& sequence) {
  return static_cast<std::int64_t>(sequence.tokens.size()) - sequence.cache.length;
}

}  // namespace

SequenceBatch::SequenceBatch(const Network& network, const BatchLimits& limits)
    : network_(network),
      limits_(limits),
      table_(rotary_table(network.config, limits.longest_sequence, network.embedding.device())) {}

bool SequenceBatch::admit(const Sequence& sequence) {
  const std::int64_t bytes = sequence.capacity * key_value_bytes_per_token(network_.config);
  const bool room =
      static_cast<std::int64_t>(sequences_.size()) < limits_.sequences && cache_bytes_ + bytes <= limits_.cache_bytes;
  if (!room && !empty()) return false;
  // The wanted positions must be computed: their logits are not kept.
  const std::int64_t useful = sequence.first_wanted;
  const Sequence* donor = nullptr;
  std::int64_t shared = 0;
  std::int64_t shared_soon = 0;
  const auto consider = [&](const Sequence& other) {
    const std::int64_t common = std::min(useful, common_prefix(sequence.tokens, other.tokens));
    shared_soon = std::max(shared_soon, common);
    if (std::min(common, other.cache.length) <= shared) return;
    shared = std::min(common, other.cache.length);
    donor = &other;
  };
  if (last_left_) consider(*last_left_);
  for (const Sequence& other : sequences_) consider(other);
  if (shared_soon >= shared + kSharedTokens) return false;
  Sequence admitted = sequence;
  admitted.cache = make_key_value_cache(network_.config, sequence.capacity, network_.embedding.device());
  if (shared >= kSharedTokens) copy_prefix(donor->cache, shared, admitted.cache);
  cache_bytes_ += bytes;
  sequences_.push_back(std::move(admitted));
  return true;
}

void SequenceBatch::step(const Visitor& visit) {
  std::vector<NewTokens> new_tokens;
  std::vector<std::int64_t> rows;
  struct Wanted {
    Sequence* sequence;
    std::int64_t position;
  };
  std::vector<Wanted> wanted;
  std::int64_t chunk_left = limits_.chunk_tokens;
  std::int64_t row = 0;
  for (Sequence& sequence : sequences_) {
    const std::int64_t left = left_to_compute(sequence);
    const std::int64_t count = left == 1 ? 1 : std::min(left, chunk_left);
    if (count == 0) continue;
    if (left > 1) chunk_left -= count;
    const std::int64_t first = sequence.cache.length;
    new_tokens.push_back(
        {std::span(sequence.tokens).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)),
         &sequence.cache});
    for (std::int64_t position = std::max(first, sequence.first_wanted); position < first + count; ++position) {
      rows.push_back(row + position - first);
      wanted.push_back({&sequence, position});
    }
    row += count;
  }
  const at::Tensor logits = forward_new_tokens(network_, table_, new_tokens, rows);
  const auto vocabulary = static_cast<std::size_t>(logits.size(1));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    visit(*wanted[i].sequence, wanted[i].position, {logits.data_ptr<float>() + i * vocabulary, vocabulary});
  }
  remove_finished();
}

void SequenceBatch::remove_finished() {
  for (Sequence& sequence : sequences_) {
    if (left_to_compute(sequence) != 0) continue;
    cache_bytes_ -= sequence.capacity * key_value_bytes_per_token(network_.config);
    last_left_ = sequence;
  }
  std::erase_if(sequences_, [](const Sequence& sequence) { return left_to_compute(sequence) == 0; });
}

}  // namespace mathtrap

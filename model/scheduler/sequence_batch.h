// The sequences that are computed together. They come and go at any time; what is computed for one does not depend on
// the others. A sequence that begins as another one does gets the other's keys and values instead of computing them
// again.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "model/key_value_cache.h"
#include "model/network.h"
#include "model/tokenizer.h"

namespace mathtrap {

struct BatchLimits {
  std::int64_t sequences = 1;
  std::int64_t chunk_tokens = 512;    ///< prompt tokens in one forward pass
  std::int64_t cache_bytes = 0;       ///< for keys and values in all; one sequence is always let in
  std::int64_t longest_sequence = 0;  ///< tokens
};

struct Sequence {
  std::size_t job = 0;            ///< the caller's number for it
  std::vector<TokenId> tokens;    ///< not empty
  std::int64_t capacity = 0;      ///< how long `tokens` may become
  std::int64_t first_wanted = 0;  ///< logits are wanted at this position and behind it
  KeyValueCache cache;            ///< made by SequenceBatch
};

class SequenceBatch {
 public:
  SequenceBatch(const Network& network, const BatchLimits& limits);

  /// Takes a sequence in. False: not now, because there is no room, or because a sequence that has yet to be computed
  /// begins the same way. Never false when the batch is empty.
  bool admit(const Sequence& sequence);

  /// What follows the token at `position`. The visitor may append one token to the sequence, which then goes on.
  using Visitor = std::function<void(Sequence& sequence, std::int64_t position, std::span<const float> logits)>;

  /// One forward pass over a token of each sequence that goes on and a chunk of those whose prompt is not yet computed.
  /// Sequences of which nothing is left to compute leave.
  void step(const Visitor& visit);

  bool empty() const { return sequences_.empty(); }

 private:
  void remove_finished();

  const Network& network_;
  BatchLimits limits_;
  RotaryTable table_;
  std::vector<Sequence> sequences_;
  std::int64_t cache_bytes_ = 0;
  std::optional<Sequence> last_left_;  ///< the next one often begins as it does
};

}  // namespace mathtrap

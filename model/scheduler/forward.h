// One forward pass over new tokens of several sequences, each with its own keys and values.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/key_value_cache.h"
#include "model/network.h"
#include "model/tokenizer.h"

namespace mathtrap {

/// New tokens of one sequence. They stand behind those in the cache, and are in it afterwards.
struct NewTokens {
  std::span<const TokenId> tokens;
  KeyValueCache* cache = nullptr;
};

/// Logits f32 [rows.size(), vocab], on the CPU, of the rows wanted in the flat batch that the new tokens make together.
/// `table` must reach to the longest sequence's end.
at::Tensor forward_new_tokens(const Network& network, const RotaryTable& table, std::span<const NewTokens> batch,
                              std::span<const std::int64_t> rows);

}  // namespace mathtrap

// Running text to train on: documents as token ids, one after another, in memory-mapped shards that are made once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/tokenizer.h"

namespace mathtrap {

/// Tokens of whole documents, in a mapped safetensors file.
struct TextShard {
  at::Tensor tokens;  ///< [tokens] i32
  at::Tensor starts;  ///< [documents] i64, ascending, the first is 0: where each document begins
};

/// A text as windows of one length. A window may hold the end of one document, several whole ones and the beginning of
/// another; what is behind the last whole window of a shard is left out.
struct PackedText {
  std::string name;  ///< for messages
  std::vector<TextShard> shards;
  std::int64_t window = 0;     ///< tokens
  std::int64_t tokens = 0;     ///< in all shards
  std::int64_t documents = 0;  ///< in all shards

  std::size_t size() const;  ///< windows
  std::span<const TokenId> window_tokens(std::size_t index) const;
  /// Where documents begin in a window, from its first token on; the first is 0, whatever begins there.
  std::vector<std::int64_t> segments(std::size_t index) const;
};

struct PackingOptions {
  TokenId begin = -1;                                 ///< in front of each document; -1: nothing
  TokenId end = -1;                                   ///< behind it; -1: nothing
  std::uint64_t seed = 0;                             ///< of the documents' order
  std::size_t buffer_documents = 4096;                ///< shuffled among each other
  std::int64_t shard_tokens = std::int64_t{1} << 26;  ///< a shard is closed behind so many
};

/// Tokenises a text into shards `folder`/<name>-NNNNN.safetensors and <name>.json, which says of what; where they are
/// there already for the same text, tokenizer and options, nothing is made. The text is JSON lines {"text": …} or a
/// file of plain text, which is one document; a folder stands for its .jsonl and .txt files in the order of their
/// names. Documents are shuffled within a buffer, from the seed alone, and tokenised by all threads. Throws Error
/// naming file and line: no text, a line that is no document, a text of no whole window. Throws Interrupted
/// between documents; the shards are then made anew.
PackedText pack_text(const std::string& path, const std::string& name, const std::string& folder,
                     const Tokenizer& tokenizer, const std::string& tokenizer_hash, std::int64_t window,
                     const PackingOptions& options);

}  // namespace mathtrap

// Byte pair encoding of one piece of text: its symbols are merged, the pair with the lowest rank first (Sennrich et
// al. 2016, section 3.2), of equal ones the leftmost.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/tokenizer.h"

namespace mathtrap {

struct BpeMerge {
  TokenId left = 0;
  TokenId right = 0;
  TokenId merged = 0;
};

/// A vocabulary and how pieces begin as symbols of it. All ids lie inside of `tokens`.
struct BpeVocabulary {
  /// By id. Bytes where the symbols are bytes, else UTF-8; empty: an id that no text is merged to.
  std::vector<std::string> tokens;
  std::vector<BpeMerge> merges;  ///< in the order of their ranks; no pair is there twice
  bool byte_level = true;        ///< symbols are bytes, else characters
  /// Of characters that are no token: their bytes, as the tokens "<0x00>" to "<0xFF>".
  bool byte_fallback = false;
  TokenId unknown = -1;        ///< for a symbol that is no token; -1: it is left out
  bool fuse_unknown = false;   ///< several unknown symbols in a row are one
  bool ignore_merges = false;  ///< a piece that is a token is not merged
};

class BpeModel {
 public:
  /// Keeps `vocabulary`.
  explicit BpeModel(BpeVocabulary vocabulary);
  BpeModel(const BpeModel&) = delete;
  BpeModel& operator=(const BpeModel&) = delete;

  /// Appends the ids of a piece of valid UTF-8. Takes O(n log n) in its bytes. Safe to call from several threads.
  /// Throws Error on a piece of 2 GiB or more.
  void encode(std::string_view piece, std::vector<TokenId>& ids) const;

  const BpeVocabulary& vocabulary() const { return vocabulary_; }

 private:
  struct Merge {
    std::uint32_t rank = 0;
    TokenId merged = 0;
  };

  TokenId find(std::string_view token) const;
  const Merge* find_merge(TokenId left, TokenId right) const;
  std::vector<TokenId> symbols_of(std::string_view piece) const;
  void append_fallback(std::string_view character, std::vector<TokenId>& symbols) const;
  void merge(std::vector<TokenId>& symbols) const;

  BpeVocabulary vocabulary_;
  std::unordered_map<std::string_view, TokenId> ids_;  ///< texts lie in vocabulary_
  std::unordered_map<std::uint64_t, Merge> merges_;    ///< by pair
  std::array<TokenId, 256> byte_symbols_{};            ///< the tokens of single bytes, or "<0x00>" …; -1: none
};

}  // namespace mathtrap

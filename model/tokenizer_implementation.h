// What stands behind Tokenizer: the two kinds of vocabulary, and what their pieces have in common.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer.h"

namespace mathtrap {

/// See Tokenizer; ids are inside the vocabulary here.
class TokenizerImplementation {
 public:
  TokenizerImplementation() = default;
  virtual ~TokenizerImplementation() = default;
  TokenizerImplementation(const TokenizerImplementation&) = delete;
  TokenizerImplementation& operator=(const TokenizerImplementation&) = delete;

  /// Special tokens that overlap `plain` are text.
  virtual std::vector<TokenId> encode(std::string_view text, std::span<const TextSpan> plain) const = 0;
  virtual std::string decode(std::span<const TokenId> ids) const = 0;
  virtual TokenId bos() const = 0;
  virtual TokenId eos() const = 0;

  /// Place of errors.
  std::string source;
  /// What each piece adds behind other text, by id.
  std::vector<std::string> texts;
};

/// Throws Error with `source` as the place.
std::unique_ptr<TokenizerImplementation> load_sentencepiece(std::string_view serialised, const std::string& source);
/// `eos`: see Tokenizer. Throws Error with `source` as the place.
std::unique_ptr<TokenizerImplementation> load_tokenizer_json(std::string_view text, const std::string& source,
                                                             TokenId eos);

/// A piece with a blank for each "▁".
std::string with_blanks(std::string_view piece);
/// The byte of a piece "<0xAB>".
std::string byte_of(std::string_view piece);

}  // namespace mathtrap

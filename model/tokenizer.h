// Text to token ids and back, by SentencePiece.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mathtrap {

using TokenId = std::int32_t;

class Tokenizer {
 public:
  /// `serialised_model` is the content of a tokenizer.model. Throws Error (with `source` as the place) when it is not
  /// one.
  Tokenizer(std::string_view serialised_model, const std::string& source);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Ids without begin-of-text. Any bytes are accepted. Safe to call from several threads.
  std::vector<TokenId> encode(std::string_view text) const;
  /// The text of ids; control tokens give nothing. Throws Error on an id outside the vocabulary.
  std::string decode(std::span<const TokenId> ids) const;
  /// The bytes that one more token adds behind other text: "▁" becomes a blank, byte pieces their byte, control tokens
  /// nothing. A completion's text is the concatenation of these: it does not lose a leading blank.
  std::string piece_text(TokenId id) const;

  std::int64_t vocab_size() const;
  TokenId bos() const;  ///< -1: none
  TokenId eos() const;  ///< -1: none

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

/// One piece of a vocabulary, with SentencePiece's type numbers (1 normal, 2 unknown, 3 control, 4 user-defined,
/// 5 unused, 6 byte), which GGUF shares.
struct VocabularyPiece {
  std::string text;
  float score = 0;
  int type = 1;
};

/// A serialised SentencePiece BPE model of these pieces, as LLaMA's: identity normalisation, dummy prefix, byte
/// fallback.
std::string serialise_sentencepiece_model(std::span<const VocabularyPiece> pieces, TokenId bos, TokenId eos,
                                          TokenId unknown, bool add_dummy_prefix);

}  // namespace mathtrap

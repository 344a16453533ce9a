// Text to token ids and back, by SentencePiece or by the byte pair encoding of a tokenizer.json.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/text_span.h"

namespace mathtrap {

using TokenId = std::int32_t;

/// What "<|im_start|>" in a text is. Special tokens of a SentencePiece vocabulary are its control pieces.
enum class SpecialTokens {
  as_text,  ///< characters like others: texts of users
  parsed,   ///< the token: prompts that a template has framed
};

class TokenizerImplementation;

class Tokenizer {
 public:
  /// `serialised` is the content of a tokenizer.model (SentencePiece) or of a tokenizer.json. Throws Error (with
  /// `source` as the place) when it is neither, or has a part that is not supported. A tokenizer.json does not say
  /// which token ends a text: that is `eos`, or with -1 the one known by its name ("</s>", "<|end_of_text|>",
  /// "<|endoftext|>", "<|im_end|>").
  Tokenizer(std::string_view serialised, const std::string& source, TokenId eos = -1);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Ids without begin-of-text. Any bytes are accepted; what is not UTF-8 counts as U+FFFD. Where special tokens are
  /// parsed, those that overlap `plain` are text; its parts are in order and inside `text`, and where they begin and
  /// end changes nothing else. Safe to call from several threads.
  std::vector<TokenId> encode(std::string_view text, SpecialTokens special_tokens = SpecialTokens::as_text,
                              std::span<const TextSpan> plain = {}) const;
  /// The text of ids; control tokens give nothing. Throws Error on an id outside the vocabulary.
  std::string decode(std::span<const TokenId> ids) const;
  /// The bytes that one more token adds behind other text: "▁" becomes a blank, byte pieces their byte, control tokens
  /// nothing. A completion's text is the concatenation of these: it does not lose a leading blank.
  std::string piece_text(TokenId id) const;

  std::int64_t vocab_size() const;
  TokenId bos() const;  ///< put in front of every text; -1: none
  TokenId eos() const;  ///< -1: none

 private:
  std::unique_ptr<TokenizerImplementation> implementation_;
};

/// Whether what a Tokenizer is made from is the content of a tokenizer.json: a serialised SentencePiece model begins
/// with another byte than its brace.
bool is_tokenizer_json(std::string_view serialised);

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

// A vocabulary small enough to read: bytes, some letters and words, end-of-text and begin-of-text.
#pragma once

#include <fmt/format.h>

#include <span>
#include <string>
#include <vector>

#include "model/tokenizer.h"

namespace mathtrap {

/// Pieces besides the 256 bytes, as SentencePiece writes them: "▁" is a blank. Earlier ones are merged first.
inline std::string small_tokenizer_model(const std::vector<std::string>& pieces) {
  std::vector<VocabularyPiece> vocabulary = {{"<unk>", 0, 2}, {"<s>", 0, 3}, {"</s>", 0, 3}};
  for (int byte = 0; byte < 256; ++byte) vocabulary.push_back({fmt::format("<0x{:02X}>", byte), 0, 6});
  float score = 0;
  for (const std::string& piece : pieces) vocabulary.push_back({piece, score--, 1});
  return serialise_sentencepiece_model(vocabulary, 1, 2, 0, true);
}

/// All printable ASCII as pieces of their own, so that no text needs bytes.
inline std::vector<std::string> letter_pieces() {
  std::vector<std::string> pieces = {"\u2581"};
  for (char letter = '!'; letter <= '~'; ++letter) pieces.emplace_back(1, letter);
  return pieces;
}

/// Tokens as text, each in brackets: "[<s>][ a][bc][</s>]".
inline std::string readable(const Tokenizer& tokenizer, std::span<const TokenId> tokens) {
  std::string text;
  for (const TokenId token : tokens) {
    std::string piece = tokenizer.piece_text(token);
    if (token == tokenizer.bos()) piece = "<s>";
    if (token == tokenizer.eos()) piece = "</s>";
    if (piece == "\n") piece = "\\n";
    text += fmt::format("[{}]", piece);
  }
  return text;
}

}  // namespace mathtrap

// The byte-level vocabulary of a GGUF file as a tokenizer.json. A GGUF names how texts are split before merging by one
// word ("llama-bpe"); what is meant is what the models' own tokenizer.json says.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/tokenizer.h"

namespace mathtrap {

/// The metadata "tokenizer.ggml." of a file whose tokenizer.ggml.model is "gpt2".
struct GgufBpeVocabulary {
  std::vector<VocabularyPiece> pieces;  ///< tokens and token_type
  std::vector<std::string> merges;      ///< "a b", in the order of their ranks
  std::string pre;
  TokenId bos = -1;             ///< bos_token_id
  std::optional<bool> add_bos;  ///< add_bos_token; nothing: as `pre` has it
};

/// Throws Error (with `path` as the place) naming the metadata key: a `pre` that is not known, tokens that are no text
/// or there twice, a begin-of-text that is to be added and is no token.
std::string write_tokenizer_json(const GgufBpeVocabulary& vocabulary, const std::string& path);

}  // namespace mathtrap

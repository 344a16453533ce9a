// tokenizer.json, the file of Hugging Face's tokenizers: byte pair encoding with the parts that published LLaMA-like
// models use. What it says and is not read here changes no token id: truncation, padding, offsets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/bpe/added_tokens.h"
#include "model/bpe/bpe_model.h"
#include "model/bpe/pre_tokenizer.h"

namespace mathtrap {

struct TokenizerJson {
  std::vector<std::string> tokens;  ///< by id, as they are written; added tokens among them
  BpeVocabulary vocabulary;
  std::vector<AddedToken> added_tokens;
  std::vector<NormalizerStep> normalizer;
  std::vector<PreTokenizerStep> pre_tokenizer;
  TokenId bos = -1;                   ///< put in front by the post-processor; -1: nothing is
  bool decoder_strips_blank = false;  ///< of a text, the one that normalisation puts in front
};

/// Throws Error naming the field: JSON that is broken or nested deeper than 16; a model that is not BPE; parts and
/// expressions that are not known; ids that are not 0, 1, 2 … once each; merges of what is no token, or there twice.
TokenizerJson parse_tokenizer_json(std::string_view text, const std::string& source);

}  // namespace mathtrap

// The parts of a tokenizer.json around its vocabulary: normaliser, pre-tokeniser, post-processor, decoder. Each is
// given the whole file, and throws Error naming the field when a part of it is not known.
#pragma once

#include <cstddef>
#include <vector>

#include "model/bpe/json_node.h"
#include "model/bpe/pre_tokenizer.h"
#include "model/tokenizer.h"

namespace mathtrap {

std::vector<NormalizerStep> read_normalizer(const JsonNode& root);

struct PreTokenizerJson {
  std::vector<PreTokenizerStep> steps;
  bool byte_level = false;  ///< pieces become bytes at the end
};
PreTokenizerJson read_pre_tokenizer(const JsonNode& root);

/// The token that is put in front of a text; -1: none.
TokenId read_begin_of_text(const JsonNode& root, std::size_t vocab_size);

/// Whether decoding takes one blank off the front.
bool read_decoder_strips_blank(const JsonNode& root);

}  // namespace mathtrap

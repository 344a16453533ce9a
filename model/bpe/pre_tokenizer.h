// What a tokenizer does to a text before it merges: normalisation, and the split into pieces that are merged apart.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/bpe/split_pattern.h"

namespace mathtrap {

/// The normalisers of tokenizer.json that are read.
enum class NormalizerStep {
  compose,              ///< "NFC"
  prepend_metaspace,    ///< "Prepend" of "▁", to a text that is not empty
  blanks_to_metaspace,  ///< "Replace" of " " by "▁"
};

std::string normalize(std::span<const NormalizerStep> steps, std::string_view text);

/// "Split" by a known expression; the matches are the pieces.
struct SplitByPattern {
  SplitPattern pattern = SplitPattern::gpt2;
};
/// "Digits": numbers apart from all else, and from each other where they are individual.
struct SplitDigits {
  bool individual = false;
};
/// "ByteLevel": its own split is a SplitByPattern behind it.
struct PrefixBlank {};
/// "Metaspace": blanks become "▁", one is put in front, and pieces begin with one.
struct SplitMetaspace {
  enum class Prepend { never, first, always };
  Prepend prepend = Prepend::always;  ///< first: only where the text begins, not behind an added token
  bool split = true;
};
using PreTokenizerStep = std::variant<SplitByPattern, SplitDigits, PrefixBlank, SplitMetaspace>;

/// Calls `take` for each piece in order; a piece may live no longer than the call. `begins_text`: nothing stands before
/// `text`.
void for_each_piece(std::span<const PreTokenizerStep> steps, std::string_view text, bool begins_text,
                    const std::function<void(std::string_view piece)>& take);

}  // namespace mathtrap

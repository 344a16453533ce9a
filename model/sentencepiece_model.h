// The file format of SentencePiece models (a protocol buffer): checked before the library sees it, and written.
#pragma once

#include <string>
#include <string_view>

namespace mathtrap {

/// Throws Error (with `source` as the place) on what SentencePiece would not survive: a message that is cut off, pieces
/// without text or with a score that is no number, a normalisation table whose entries point outside of it.
void check_sentencepiece_model(std::string_view serialised, const std::string& source);

}  // namespace mathtrap

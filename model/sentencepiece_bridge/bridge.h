// SentencePiece behind a C interface, so that it can live in a linker namespace of its own: on Debian 12
// libsentencepiece exports an older protobuf's symbols, which crash a program that also loads LibTorch's. Nothing is
// allocated on one side and freed on the other, and no exception crosses: results go to callbacks.
#pragma once

#include <stddef.h>
#include <stdint.h>

extern "C" {

/// Gets bytes; they are valid during the call only.
using SentencePieceBytes = void (*)(void* context, const char* bytes, size_t size);
/// Gets token ids; they are valid during the call only.
using SentencePieceIds = void (*)(void* context, const int32_t* ids, size_t count);

/// The kinds of pieces that decoding treats apart.
enum SentencePieceKind : int32_t {
  kSentencePieceNormal = 0,
  kSentencePieceControl = 1,
  kSentencePieceUnknown = 2,
  kSentencePieceByte = 3,
};

/// All functions but `unload` may be called from several threads at once on one model.
struct SentencePieceFunctions {
  /// A model from the bytes of a tokenizer.model; null when it is not one, after giving `error` the reason.
  void* (*load)(const char* bytes, size_t size, SentencePieceBytes error, void* context);
  void (*unload)(void* model);
  int32_t (*vocab_size)(const void* model);
  int32_t (*bos)(const void* model);  ///< -1: none
  int32_t (*eos)(const void* model);  ///< -1: none
  /// The text of a piece, with "▁" for blanks. Requires 0 <= id < vocab_size.
  SentencePieceKind (*piece)(const void* model, int32_t id, SentencePieceBytes piece, void* context);
  /// Returns 0, after giving the ids; anything else: the text could not be encoded.
  int (*encode)(const void* model, const char* text, size_t size, SentencePieceIds ids, void* context);
  /// Returns 0, after giving the text; anything else: the ids could not be decoded. Requires ids inside the vocabulary.
  int (*decode)(const void* model, const int32_t* ids, size_t count, SentencePieceBytes text, void* context);
};

/// The only symbol that is looked up.
const SentencePieceFunctions* mathtrap_sentencepiece();
}

#include "model/sentencepiece_bridge/bridge.h"

#include <sentencepiece_processor.h>

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using sentencepiece::SentencePieceProcessor;

const SentencePieceProcessor& processor(const void* model) {
  return *static_cast<const SentencePieceProcessor*>(model);
}

void* load(const char* bytes, size_t size, SentencePieceBytes error, void* context) {
  const auto refuse = [&](std::string_view reason) { error(context, reason.data(), reason.size()); };
  try {
    auto loaded = std::make_unique<SentencePieceProcessor>();
    const sentencepiece::util::Status status = loaded->LoadFromSerializedProto({bytes, size});
    if (status.ok()) return loaded.release();
    refuse(status.message());
  } catch (const std::exception& exception) {
    refuse(exception.what());
  }
  return nullptr;
}

void unload(void* model) {
  delete static_cast<SentencePieceProcessor*>(model);
}

int32_t vocab_size(const void* model) {
  return processor(model).GetPieceSize();
}
int32_t bos(const void* model) {
  return processor(model).bos_id();
}
int32_t eos(const void* model) {
  return processor(model).eos_id();
}

SentencePieceKind piece(const void* model, int32_t id, SentencePieceBytes give, void* context) {
  const std::string& text = processor(model).IdToPiece(id);
  give(context, text.data(), text.size());
  if (processor(model).IsControl(id)) return kSentencePieceControl;
  if (processor(model).IsUnknown(id)) return kSentencePieceUnknown;
  if (processor(model).IsByte(id)) return kSentencePieceByte;
  return kSentencePieceNormal;
}

int encode(const void* model, const char* text, size_t size, SentencePieceIds give, void* context) {
  try {
    std::vector<int> ids;
    if (!processor(model).Encode({text, size}, &ids).ok()) return 1;
    give(context, ids.data(), ids.size());
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}

int decode(const void* model, const int32_t* ids, size_t count, SentencePieceBytes give, void* context) {
  try {
    std::string text;
    if (!processor(model).Decode(std::vector<int>(ids, ids + count), &text).ok()) return 1;
    give(context, text.data(), text.size());
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}

constexpr SentencePieceFunctions kFunctions = {load, unload, vocab_size, bos, eos, piece, encode, decode};

}  // namespace

extern "C" __attribute__((visibility("default"))) const SentencePieceFunctions* mathtrap_sentencepiece() {
  return &kFunctions;
}

#include "model/sentencepiece_model.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "model/tokenizer.h"
#include "support/error.h"

namespace mathtrap {
namespace {

// Field numbers of sentencepiece_model.proto.
constexpr std::uint32_t kModelPieces = 1;
constexpr std::uint32_t kModelTrainer = 2;
constexpr std::uint32_t kModelNormalizer = 3;
constexpr std::uint32_t kModelDenormalizer = 5;
constexpr std::uint32_t kPieceText = 1;
constexpr std::uint32_t kPieceScore = 2;
constexpr std::uint32_t kPieceType = 3;
constexpr std::uint32_t kTrainerModelType = 3;
constexpr std::uint32_t kTrainerVocabSize = 4;
constexpr std::uint32_t kTrainerByteFallback = 35;
constexpr std::uint32_t kTrainerUnknownPiece = 45;
constexpr std::uint32_t kTrainerBosPiece = 46;
constexpr std::uint32_t kTrainerEosPiece = 47;
constexpr std::uint32_t kNormalizerName = 1;
constexpr std::uint32_t kNormalizerTable = 2;
constexpr std::uint32_t kNormalizerDummyPrefix = 3;
constexpr std::uint32_t kNormalizerRemoveBlanks = 4;
constexpr std::uint32_t kNormalizerEscapeBlanks = 5;

constexpr std::uint64_t kModelTypeBpe = 2;
constexpr int kPieceTypeByte = 6;

/// How a field is stored.
enum class Wire : std::uint32_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct Field {
  std::uint32_t number = 0;
  Wire wire = Wire::varint;
  std::string_view bytes;  ///< the value; of a varint, its encoding
};

/// Goes through the fields of one message.
class Message {
 public:
  Message(std::string_view bytes, const std::string& source) : rest_(bytes), source_(source) {}

  bool next(Field& field) {
    if (rest_.empty()) return false;
    const std::uint64_t tag = varint();
    field.number = static_cast<std::uint32_t>(tag >> 3);
    field.wire = static_cast<Wire>(tag & 7);
    switch (field.wire) {
      case Wire::varint: {
        const std::string_view before = rest_;
        varint();
        field.bytes = before.substr(0, before.size() - rest_.size());
        return true;
      }
      case Wire::fixed64:
        field.bytes = take(8);
        return true;
      case Wire::bytes:
        field.bytes = take(varint());
        return true;
      case Wire::fixed32:
        field.bytes = take(4);
        return true;
    }
    broken();
  }

 private:
  std::uint64_t varint() {
    constexpr int kMaxVarintBits = 64;
    std::uint64_t value = 0;
    for (int shift = 0; shift < kMaxVarintBits; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    broken();
  }

  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) broken();
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  [[noreturn]] void broken() const { fail({source_, 0, ""}, "damaged, or not a SentencePiece model"); }

  std::string_view rest_;
  const std::string& source_;
};

void check_piece(std::string_view bytes, std::size_t id, const std::string& source) {
  const Place place{source, 0, fmt::format("piece {}", id)};
  bool has_text = false;
  Message message(bytes, source);
  for (Field field; message.next(field);) {
    if (field.number == kPieceText) {
      if (field.wire != Wire::bytes || field.bytes.empty()) fail(place, "has no text");
      has_text = true;
    }
    if (field.number == kPieceScore && field.wire == Wire::fixed32) {
      float score = 0;
      std::memcpy(&score, field.bytes.data(), sizeof(score));
      if (!std::isfinite(score)) fail(place, "its score is not a number");
    }
  }
  if (!has_text) fail(place, "has no text");
}

/// A normalisation table is a double-array trie (Darts-clone) behind its size, then the replacements, each ended by a
/// zero byte. SentencePiece follows the trie without checking bounds.
void check_normalisation_table(std::string_view table, const std::string& source) {
  if (table.empty()) return;
  const Place place{source, 0, "normalizer_spec.precompiled_charsmap"};
  constexpr std::size_t kUnitBytes = 4;
  constexpr std::uint32_t kLabels = 0xff;
  constexpr std::uint32_t kIsValue = std::uint32_t{1} << 31;
  std::uint32_t trie_bytes = 0;
  if (table.size() <= sizeof(trie_bytes)) fail(place, "is cut off");
  std::memcpy(&trie_bytes, table.data(), sizeof(trie_bytes));
  const std::string_view rest = table.substr(sizeof(trie_bytes));
  if (trie_bytes >= rest.size() || trie_bytes == 0 || trie_bytes % kUnitBytes != 0) fail(place, "its size is wrong");
  const std::string_view replacements = rest.substr(trie_bytes);
  if (replacements.back() != '\0') fail(place, "its last replacement has no end");
  const std::size_t units = trie_bytes / kUnitBytes;
  for (std::size_t i = 0; i < units; ++i) {
    std::uint32_t unit = 0;
    std::memcpy(&unit, rest.data() + i * kUnitBytes, kUnitBytes);
    if ((unit & kIsValue) != 0 && i != 0) {
      if ((unit & ~kIsValue) >= replacements.size()) fail(place, "an entry points outside of the replacements");
    } else {
      const std::uint32_t offset = (unit >> 10) << ((unit & (1U << 9)) >> 6);
      // Any byte may follow: all of the 256 units around the target must be there.
      if (((i ^ offset) | kLabels) >= units) fail(place, "an entry points outside of the table");
    }
  }
}

void check_normalizer(std::string_view bytes, const std::string& source) {
  Message message(bytes, source);
  for (Field field; message.next(field);) {
    if (field.number == kNormalizerTable && field.wire == Wire::bytes) check_normalisation_table(field.bytes, source);
  }
}

void write_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>((value & 0x7f) | 0x80);
  to += static_cast<char>(value);
}

void write_tag(std::string& to, std::uint32_t number, Wire wire) {
  write_varint(to, (number << 3) | static_cast<std::uint32_t>(wire));
}

void write_number(std::string& to, std::uint32_t number, std::uint64_t value) {
  write_tag(to, number, Wire::varint);
  write_varint(to, value);
}

void write_bytes(std::string& to, std::uint32_t number, std::string_view bytes) {
  write_tag(to, number, Wire::bytes);
  write_varint(to, bytes.size());
  to += bytes;
}

std::string piece_message(const VocabularyPiece& piece) {
  std::string message;
  write_bytes(message, kPieceText, piece.text);
  write_tag(message, kPieceScore, Wire::fixed32);
  const auto score = std::bit_cast<std::uint32_t>(piece.score);
  for (int shift = 0; shift < 32; shift += 8) message += static_cast<char>((score >> shift) & 0xff);
  write_number(message, kPieceType, static_cast<std::uint64_t>(piece.type));
  return message;
}

std::string_view text_of(TokenId id, std::span<const VocabularyPiece> pieces) {
  const bool exists = id >= 0 && static_cast<std::size_t>(id) < pieces.size();
  return exists ? std::string_view(pieces[static_cast<std::size_t>(id)].text) : "";
}

}  // namespace

void check_sentencepiece_model(std::string_view serialised, const std::string& source) {
  Message message(serialised, source);
  std::size_t pieces = 0;
  for (Field field; message.next(field);) {
    if (field.wire != Wire::bytes) continue;
    if (field.number == kModelPieces) check_piece(field.bytes, pieces++, source);
    if (field.number == kModelNormalizer || field.number == kModelDenormalizer) check_normalizer(field.bytes, source);
  }
  if (pieces == 0) fail({source, 0, ""}, "not a SentencePiece model: it has no pieces");
}

std::string serialise_sentencepiece_model(std::span<const VocabularyPiece> pieces, TokenId bos, TokenId eos,
                                          TokenId unknown, bool add_dummy_prefix) {
  std::string model;
  bool has_bytes = false;
  for (const VocabularyPiece& piece : pieces) {
    write_bytes(model, kModelPieces, piece_message(piece));
    has_bytes = has_bytes || piece.type == kPieceTypeByte;
  }
  std::string trainer;
  write_number(trainer, kTrainerModelType, kModelTypeBpe);
  write_number(trainer, kTrainerVocabSize, pieces.size());
  write_number(trainer, kTrainerByteFallback, has_bytes ? 1 : 0);
  // Special pieces are found by their text. SentencePiece takes no text for "<s>", and the unknown piece's for none.
  write_bytes(trainer, kTrainerUnknownPiece, text_of(unknown, pieces));
  write_bytes(trainer, kTrainerBosPiece, text_of(bos < 0 ? unknown : bos, pieces));
  write_bytes(trainer, kTrainerEosPiece, text_of(eos < 0 ? unknown : eos, pieces));
  write_bytes(model, kModelTrainer, trainer);
  std::string normalizer;
  write_bytes(normalizer, kNormalizerName, "identity");
  write_number(normalizer, kNormalizerDummyPrefix, add_dummy_prefix ? 1 : 0);
  write_number(normalizer, kNormalizerRemoveBlanks, 0);
  write_number(normalizer, kNormalizerEscapeBlanks, 1);
  write_bytes(model, kModelNormalizer, normalizer);
  return model;
}

}  // namespace mathtrap

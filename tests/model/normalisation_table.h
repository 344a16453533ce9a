// A SentencePiece normalisation table: a double-array trie (Darts-clone) behind its size, then replacements.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/model/byte_writer.h"

namespace mathtrap {

/// The units of a trie that knows one string, "A", and replaces it by what stands at 0.
struct NormalisationTable {
  static constexpr std::uint32_t kLeafUnit = 300;
  static constexpr std::uint32_t kChildUnit = 256 ^ 'A';

  std::array<std::uint32_t, 512> units{};
  std::string replacements = std::string("a\0", 2);

  NormalisationTable() {
    units[0] = 256 << 10;                                                   // children of the root: 256 ^ label
    units[kChildUnit] = ((kChildUnit ^ kLeafUnit) << 10) | (1 << 8) | 'A';  // has a value, at kLeafUnit
    units[kLeafUnit] = std::uint32_t{1} << 31;                              // the value 0
  }

  std::string bytes() const {
    ByteWriter writer;
    writer.number(static_cast<std::uint32_t>(units.size() * sizeof(std::uint32_t)));
    for (const std::uint32_t unit : units) writer.number(unit);
    return writer.text(replacements).bytes();
  }
};

/// A model with this table. A message that is there twice is merged: it is enough to append one with the table alone.
inline std::string with_table(const std::string& model, const std::string& table) {
  const auto field = [](char tag, const std::string& bytes) {
    ByteWriter writer;
    writer.number(tag);
    std::size_t size = bytes.size();
    for (; size >= 0x80; size >>= 7) writer.number(static_cast<std::uint8_t>((size & 0x7f) | 0x80));
    return writer.number(static_cast<std::uint8_t>(size)).text(bytes).bytes();
  };
  constexpr char kTable = 0x12;       // field 2 of NormalizerSpec
  constexpr char kNormalizer = 0x1a;  // field 3 of ModelProto
  return model + field(kNormalizer, field(kTable, table));
}

}  // namespace mathtrap

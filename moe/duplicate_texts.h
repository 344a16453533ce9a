// Texts that stood before, the same or nearly so: Broder's resemblance of word 5-grams ("On the resemblance and
// containment of documents", 1997), with MinHash and bands to find the candidates (Leskovec, Rajaraman, Ullman, "Mining
// of Massive Datasets", chapter 3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mathtrap {

inline constexpr std::size_t kShingleWords = 5;
inline constexpr std::size_t kSignatureBands = 20;
inline constexpr std::size_t kBandRows = 6;
inline constexpr double kNearDuplicate = 0.8;  ///< share of 5-grams from which on texts are near duplicates

/// What is kept of a text to compare others with it.
struct TextFingerprint {
  std::uint64_t whole = 0;              ///< hash of all words (moe/words.h: comparable_words)
  std::vector<std::uint32_t> shingles;  ///< hashes of the 5-grams, sorted, each once
  std::vector<std::uint64_t> bands;     ///< hashes of the bands of the MinHash signature
};

/// A text of fewer than five words has one shingle, of all of them; one without words has none.
TextFingerprint fingerprint(std::string_view text);

/// Shared shingles over all shingles of both; of two empty sets 1.
double resemblance(const TextFingerprint& a, const TextFingerprint& b);

struct Duplicate {
  std::size_t of = 0;  ///< number of the earlier text, as `add` counted
  double share = 1;    ///< their resemblance; 1: the same words
};

/// The texts so far. Holds about 4 bytes a word and 2 KB a text. Two texts that share 80% of their 5-grams are compared
/// with a chance of 99.8%, and 90% all but surely; what is compared is compared exactly. Of more than 256 texts with a
/// band in common, the first 256 are compared.
class DuplicateTexts {
 public:
  /// The earliest text that this one is the same as, else the one most like it from kNearDuplicate on (the earliest of
  /// several); with none, the text is added, under the next number from 0 on.
  std::optional<Duplicate> add(TextFingerprint text);

  std::size_t size() const { return texts_.size(); }

 private:
  std::vector<TextFingerprint> texts_;
  std::unordered_map<std::uint64_t, std::uint32_t> whole_;
  std::vector<std::unordered_map<std::uint64_t, std::vector<std::uint32_t>>> bands_ =
      std::vector<std::unordered_map<std::uint64_t, std::vector<std::uint32_t>>>(kSignatureBands);
};

}  // namespace mathtrap

#include "moe/duplicate_texts.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include "moe/words.h"
#include "support/hash.h"
#include "support/random.h"

namespace mathtrap {
namespace {

constexpr std::size_t kHashes = kSignatureBands * kBandRows;
constexpr std::size_t kMostInBucket = 256;  // texts from one mould would else all be compared with each other

struct Multipliers {
  std::array<std::uint64_t, kHashes> factor;
  std::array<std::uint64_t, kHashes> addend;
};

const Multipliers& multipliers() {
  static const Multipliers kMultipliers = [] {
    Random random(1, "minhash");
    Multipliers result{};
    for (std::size_t i = 0; i < kHashes; ++i) {
      result.factor[i] = random.next() | 1U;
      result.addend[i] = random.next();
    }
    return result;
  }();
  return kMultipliers;
}

/// Of each hash function (multiply, add, take the upper half) the least value over the shingles.
std::array<std::uint32_t, kHashes> signature(std::span<const std::uint32_t> shingles) {
  const Multipliers& hash = multipliers();
  std::array<std::uint32_t, kHashes> least{};
  least.fill(std::numeric_limits<std::uint32_t>::max());
  for (const std::uint32_t shingle : shingles) {
    for (std::size_t i = 0; i < kHashes; ++i) {
      const auto value = static_cast<std::uint32_t>((hash.factor[i] * shingle + hash.addend[i]) >> 32U);
      least[i] = std::min(least[i], value);
    }
  }
  return least;
}

std::uint64_t combine(std::uint64_t hash, std::uint64_t next) {
  return mix64(hash ^ mix64(next));
}

}  // namespace

TextFingerprint fingerprint(std::string_view text) {
  TextFingerprint result;
  std::vector<std::uint64_t> words;
  for (const std::string& word : comparable_words(text)) words.push_back(hash64(word));
  result.whole = words.size();
  for (const std::uint64_t word : words) result.whole = combine(result.whole, word);
  if (words.empty()) return result;
  const std::size_t length = std::min(kShingleWords, words.size());
  for (std::size_t i = 0; i + length <= words.size(); ++i) {
    std::uint64_t hash = 0;
    for (std::size_t j = 0; j < length; ++j) hash = combine(hash, words[i + j]);
    result.shingles.push_back(static_cast<std::uint32_t>(hash >> 32U));
  }
  std::sort(result.shingles.begin(), result.shingles.end());
  result.shingles.erase(std::unique(result.shingles.begin(), result.shingles.end()), result.shingles.end());
  result.shingles.shrink_to_fit();
  const auto least = signature(result.shingles);
  for (std::size_t band = 0; band < kSignatureBands; ++band) {
    std::uint64_t hash = band;
    for (std::size_t row = 0; row < kBandRows; ++row) hash = combine(hash, least[band * kBandRows + row]);
    result.bands.push_back(hash);
  }
  return result;
}

double resemblance(const TextFingerprint& a, const TextFingerprint& b) {
  std::size_t shared = 0;
  auto left = a.shingles.begin();
  auto right = b.shingles.begin();
  while (left != a.shingles.end() && right != b.shingles.end()) {
    if (*left == *right) {
      ++shared;
      ++left;
      ++right;
    } else if (*left < *right) {
      ++left;
    } else {
      ++right;
    }
  }
  const std::size_t all = a.shingles.size() + b.shingles.size() - shared;
  return all == 0 ? 1.0 : static_cast<double>(shared) / static_cast<double>(all);
}

std::optional<Duplicate> DuplicateTexts::add(TextFingerprint text) {
  if (const auto same = whole_.find(text.whole); same != whole_.end()) return Duplicate{same->second, 1.0};
  std::vector<std::uint32_t> candidates;
  for (std::size_t band = 0; band < text.bands.size(); ++band) {
    const auto found = bands_[band].find(text.bands[band]);
    if (found != bands_[band].end()) candidates.insert(candidates.end(), found->second.begin(), found->second.end());
  }
  std::sort(candidates.begin(), candidates.end());
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  std::optional<Duplicate> nearest;
  for (const std::uint32_t candidate : candidates) {
    const double share = resemblance(text, texts_[candidate]);
    if (share >= kNearDuplicate && (!nearest || share > nearest->share)) nearest = Duplicate{candidate, share};
  }
  if (nearest) return nearest;
  const auto number = static_cast<std::uint32_t>(texts_.size());
  whole_.emplace(text.whole, number);
  for (std::size_t band = 0; band < text.bands.size(); ++band) {
    std::vector<std::uint32_t>& bucket = bands_[band][text.bands[band]];
    if (bucket.size() < kMostInBucket) bucket.push_back(number);
  }
  text.bands = {};  // they are in the tables now
  texts_.push_back(std::move(text));
  return std::nullopt;
}

}  // namespace mathtrap

#include "traps/lint/text_overlap.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <set>

#include "support/hash.h"
#include "support/random.h"

namespace mathtrap {
namespace {

constexpr std::size_t kBands = 24;
constexpr std::size_t kRows = 4;
constexpr std::size_t kShingle = 3;

bool is_number(const std::string& word) {
  return std::isdigit(static_cast<unsigned char>(word[0])) != 0;
}

/// One key per band of the MinHash signature.
std::array<std::uint64_t, kBands> band_keys(const std::vector<std::uint64_t>& shingles) {
  std::array<std::uint64_t, kBands> keys{};
  for (std::size_t band = 0; band < kBands; ++band) {
    std::uint64_t key = band;
    for (std::size_t row = 0; row < kRows; ++row) {
      const std::uint64_t salt = mix64(band * kRows + row + 1);
      std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
      for (const std::uint64_t shingle : shingles) least = std::min(least, mix64(shingle ^ salt));
      key = mix64(key ^ least);
    }
    keys[band] = key;
  }
  return keys;
}

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(std::exchange(word, ""));
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool digit = std::isdigit(byte) != 0;
    if (!digit && std::isalpha(byte) == 0 && byte < 0x80) {
      finish();
      continue;
    }
    if (!word.empty() && digit != is_number(word)) finish();
    word += static_cast<char>(std::tolower(byte));
  }
  finish();
  return words;
}

std::size_t longest_common_run(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::size_t longest = 0;
  std::vector<std::size_t> previous(b.size() + 1);
  std::vector<std::size_t> current(b.size() + 1);
  for (const std::string& word : a) {
    for (std::size_t j = 0; j < b.size(); ++j) {
      current[j + 1] = word == b[j] ? previous[j] + 1 : 0;
      longest = std::max(longest, current[j + 1]);
    }
    std::swap(previous, current);
  }
  return longest;
}

std::size_t changed_words(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::size_t> previous(b.size() + 1);
  std::vector<std::size_t> current(b.size() + 1);
  for (const std::string& word : a) {  // longest common subsequence
    for (std::size_t j = 0; j < b.size(); ++j) {
      current[j + 1] = word == b[j] ? previous[j] + 1 : std::max(previous[j + 1], current[j]);
    }
    std::swap(previous, current);
  }
  return a.size() + b.size() - 2 * previous[b.size()];
}

std::vector<std::uint64_t> shingles_of(const std::vector<std::string>& words) {
  std::vector<std::uint64_t> shingles;
  for (std::size_t i = 0; i + kShingle <= words.size(); ++i) {
    std::string run;
    for (std::size_t j = 0; j < kShingle; ++j) run += (is_number(words[i + j]) ? "0" : words[i + j]) + " ";
    shingles.push_back(hash64(run));
  }
  std::sort(shingles.begin(), shingles.end());
  shingles.erase(std::unique(shingles.begin(), shingles.end()), shingles.end());
  return shingles;
}

double jaccard(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
  std::size_t shared = 0;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i] == b[j]) {
      ++shared;
      ++i;
      ++j;
    } else if (a[i] < b[j]) {
      ++i;
    } else {
      ++j;
    }
  }
  const std::size_t all = a.size() + b.size() - shared;
  return all == 0 ? 0 : static_cast<double>(shared) / static_cast<double>(all);
}

void SimilarTexts::add(const std::vector<std::uint64_t>& shingles) {
  for (const std::uint64_t key : band_keys(shingles)) buckets_[key].push_back(texts_.size());
  texts_.push_back(shingles);
}

std::vector<std::pair<std::size_t, double>> SimilarTexts::find(const std::vector<std::uint64_t>& shingles,
                                                               double threshold) const {
  std::set<std::size_t> candidates;
  for (const std::uint64_t key : band_keys(shingles)) {
    const auto bucket = buckets_.find(key);
    if (bucket != buckets_.end()) candidates.insert(bucket->second.begin(), bucket->second.end());
  }
  std::vector<std::pair<std::size_t, double>> similar;
  for (const std::size_t candidate : candidates) {
    const double index = jaccard(shingles, texts_[candidate]);
    if (index >= threshold) similar.emplace_back(candidate, index);
  }
  return similar;
}

}  // namespace mathtrap

// How much two texts share: words, runs of words, and MinHash signatures to find the pairs worth comparing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace mathtrap {

/// Words in lower case; a number is a word, LaTeX commands are words without their backslash, all else parts them.
std::vector<std::string> words_of(std::string_view text);

/// Length of the longest run of words that both hold.
std::size_t longest_common_run(const std::vector<std::string>& a, const std::vector<std::string>& b);

/// Words that differ between two texts: insertions and deletions of the shortest edit, at most |a| + |b|.
std::size_t changed_words(const std::vector<std::string>& a, const std::vector<std::string>& b);

/// The set of all runs of three words, numbers made equal: what a text is about, whatever its numbers. Sorted hashes.
std::vector<std::uint64_t> shingles_of(const std::vector<std::string>& words);

/// Jaccard index of two sorted sets, 0 to 1; 0 when both are empty.
double jaccard(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b);

/// Finds the texts that are similar to a text without comparing all pairs: MinHash with 96 hashes in 24 bands of 4
/// (Broder 1997; Leskovec et al., Mining of Massive Datasets, section 3.4). A pair of Jaccard index s becomes a
/// candidate with probability 1 - (1 - s^4)^24: 0.96 at s = 0.6.
class SimilarTexts {
 public:
  /// Numbered in the order of adding, from 0.
  void add(const std::vector<std::uint64_t>& shingles);
  /// Numbers of texts with a Jaccard index of at least `threshold`, with it, in their order.
  std::vector<std::pair<std::size_t, double>> find(const std::vector<std::uint64_t>& shingles, double threshold) const;

 private:
  std::vector<std::vector<std::uint64_t>> texts_;
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> buckets_;
};

}  // namespace mathtrap

// `mathtrap data filter`: texts that teach a language model nothing good are left out before a pre-training. What each
// rule looks for, why, and how often it is right: docs/text-filter.md.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/error.h"

namespace mathtrap {

enum class TextRule { advertisement, disfluent, duplicate };

/// In the order in which they are asked: a text is rejected by the first that says so, and only kept texts have
/// duplicates.
inline constexpr std::array<std::string_view, 3> kTextRuleNames = {"advertisement", "disfluent", "duplicate"};

struct TextFilterOptions {
  std::vector<TextRule> rules = {TextRule::advertisement, TextRule::disfluent, TextRule::duplicate};
  std::string output;     ///< the kept, lines as they were
  std::string rejected;   ///< lines {"rule", "reason", "file", "line", "text"}; empty: none are written
  bool skip_bad = false;  ///< broken lines are left out and named; else the first is an error
  int threads = 0;        ///< 0: all cores; the result does not depend on them
};

/// read = kept + rejected + skipped.
struct TextFilterResult {
  std::uint64_t read = 0;
  std::uint64_t kept = 0;
  std::uint64_t bytes_read = 0;  ///< of the texts
  std::uint64_t bytes_kept = 0;
  std::array<std::uint64_t, 3> rejected = {};          ///< by rule
  std::vector<std::pair<Place, std::string>> skipped;  ///< broken lines, and why; the first 1,000
  std::uint64_t skipped_count = 0;
};

/// A rule by name; throws Error naming the three.
TextRule text_rule(std::string_view name);

/// Reads files of JSON lines (or arrays) of objects with a string "text", in their order, and writes the kept ones.
/// Holds some thousand texts, and what duplicate_texts.h says. Throws Error for files that cannot be read or written,
/// for an output that is an input, and without skip_bad for a broken line. Interrupted, nothing is written and `read`
/// is what was done so far.
TextFilterResult filter_texts(const std::vector<std::string>& files, const TextFilterOptions& options);

}  // namespace mathtrap

// The regular expressions by which published byte-level tokenizers split a text before merging. They look ahead, which
// RE2 does not do, so each is a scanner of its own here; any other expression is refused by whoever reads it.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace mathtrap {

enum class SplitPattern {
  gpt2,    ///< a blank stays with the word, number or punctuation behind it; numbers are whole
  llama3,  ///< any one character stays with the word behind it; numbers in groups of three; lines end pieces
  qwen2,   ///< as llama3, with single digits
};

/// The pattern that a regular expression of a tokenizer.json is; nothing: none of them.
std::optional<SplitPattern> find_split_pattern(std::string_view regex);
/// The expression, as it is written into a tokenizer.json.
std::string_view regex_of(SplitPattern pattern);

/// Bytes of the first match in a text that is valid UTF-8 and not empty. Every text is a sequence of matches. `text`
/// ends where the whole text ends: blanks at its end are split otherwise than blanks before a word.
std::size_t first_match(SplitPattern pattern, std::string_view text);

}  // namespace mathtrap

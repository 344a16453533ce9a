// Tokens that are cut out of a text whole, before it is split and merged: "<|im_start|>".
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer.h"

namespace mathtrap {

/// An entry of tokenizer.json's "added_tokens".
struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool special = false;     ///< controls the model, and is no text
  bool normalized = false;  ///< looked for in the normalised text
  bool strip_left = false;  ///< takes the blanks before it
  bool strip_right = false;
};

/// A part of a text: an added token, or text between them.
struct Segment {
  std::string_view text;
  TokenId token = -1;  ///< -1: text
};

class AddedTokenFinder {
 public:
  /// No token may be empty.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  /// Whether a token among them is special.
  bool has_special() const { return has_special_; }

  /// The text in segments, none empty. Of tokens that begin in one place the longest is taken. Special tokens that
  /// overlap `plain`, parts of the text in order, are text; of one that lies in it nothing is found inside.
  std::vector<Segment> segments(std::string_view text, std::span<const TextSpan> plain) const;

 private:
  const AddedToken* longest_at(std::string_view text) const;

  std::vector<AddedToken> tokens_;  ///< sorted by content
  bool has_special_ = false;
};

}  // namespace mathtrap

// Which parts of a prompt users have said, and which are the frame's. A problem may hold "<|im_end|>", which is the end
// of a turn where the frame writes it and characters like others where a user does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/error.h"
#include "support/text_span.h"

namespace mathtrap {

/// A prompt.
struct Prompt {
  std::string text;
  std::vector<TextSpan> user_text = {};  ///< parts of `text` in order: problems, system messages, replies
};

/// A text of the same length with another character in place of each visible one of ASCII. What frames treat in a way
/// of its own stays: quotes and backslashes, which some escape, and "<think>" and "</think>", at which some cut.
std::string stand_in(std::string_view text);

/// The parts of `text` in which `other` differs, which is the same prompt with stand-ins for what users say. Parts
/// with nothing visible of ASCII between them are one. Throws Error with `frame` as the place when the two do not
/// correspond: the frame writes more, or less, than what it is given.
std::vector<TextSpan> find_user_text(std::string_view text, std::string_view other, const Place& frame);

}  // namespace mathtrap

// Reply forms: questions that are not mathematics, answerable or not, with replies. They teach how one says that a
// question has no answer. The format is described in datasets/corpora/README.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/random.h"
#include "traps/scope.h"
#include "traps/split.h"
#include "traps/text_template.h"

namespace mathtrap {

struct ReplyExample {
  Scope scope;  ///< goes on from the file's
  std::vector<TextTemplate> questions;
  std::vector<TextTemplate> replies;
};

struct ReplyForm {
  std::string id;  ///< the file's name without ".toml"
  std::string file;
  Scope scope;
  std::vector<ReplyExample> examples;
};

/// One instance; written as {"family","instruction","response"}.
struct FormedReply {
  std::string family;
  std::string instruction;
  std::string response;
};

/// A reply with these words says that the question has no answer.
inline constexpr std::string_view kNoAnswer = "This has no answer";

/// The forms of a folder (not deeper), or of one file, in the order of their ids. Throws Error naming file, line,
/// field; also when not half of a file's examples have no answer.
std::vector<ReplyForm> read_reply_forms(const std::string& path);

/// One draw of an example, whose question belongs to `split` as a whole. Throws Error naming the file when no draw of
/// 200,000 is wanted.
FormedReply draw_reply(const ReplyForm& form, std::size_t example, Split split, Random& random);

std::string write_json_reply(const FormedReply& reply);

}  // namespace mathtrap

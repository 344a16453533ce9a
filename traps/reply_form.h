// Reply forms: questions that are not mathematics, answerable or not, with replies. They teach how one says that a
// question has no answer. The format is described in datasets/corpora/README.md.
#pragma once

#include <string>
#include <vector>

#include "traps/scope.h"
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

/// The forms of a folder (not deeper), or of one file, in the order of their ids. Throws Error naming file, line,
/// field.
std::vector<ReplyForm> read_reply_forms(const std::string& path);

std::string write_json_reply(const FormedReply& reply);

}  // namespace mathtrap

// Where a model keeps its chat template: in its folder (chat_template.jinja, or tokenizer_config.json), or in the
// metadata of its GGUF file.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "support/error.h"

namespace mathtrap {

struct ChatTemplateSource {
  std::optional<std::string> text;  ///< nothing: the model has none
  Place place;                      ///< file, and the field that holds the template where it is a part of one
  /// Texts of the special tokens by their names in tokenizer_config.json: "bos_token", "eos_token", …
  std::map<std::string, std::string> special_tokens;
};

/// `path` is a folder in Hugging Face layout, a .gguf file, or a PyTorch file, whose folder is looked into. Of several
/// templates the one named "default" is taken. Throws Error naming file and field; a model without any of these files
/// has no template.
ChatTemplateSource read_chat_template_source(const std::string& path);

}  // namespace mathtrap

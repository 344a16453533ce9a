// Which prompt form a run takes: one of the named ones, or the chat template of the model under test.
#pragma once

#include <string>

#include "prompts/prompts.h"

namespace mathtrap {

struct PromptFormChoice {
  /// A name of prompts/forms, the path of a .toml file, "model" (the model's chat template), or "auto": "model" where
  /// the model has a template or one is given, else "plain".
  std::string name = "plain";
  std::string model = {};                     ///< as --model gives it; empty: no model is looked at
  std::string chat_template = {};             ///< file with a chat template, in place of the model's own
  std::string system = {};                    ///< what the system says first; chat templates only
  std::string template_date = kTemplateDate;  ///< what a template takes for today, YYYY-MM-DD
};

/// Throws Error: no such form, a model without a template, a template that is not supported, options that the form has
/// no place for.
PromptForm choose_prompt_form(const PromptFormChoice& choice);

}  // namespace mathtrap

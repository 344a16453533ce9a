// The flags that say how questions are framed, of every command that makes prompts of a data set.
#pragma once

#include <CLI/CLI.hpp>

#include "harness/prompt_form_choice.h"

namespace mathtrap {

/// --prompt-form, --chat-template, --system and --template-date.
void add_prompt_form_flags(CLI::App& command, PromptFormChoice& form);

}  // namespace mathtrap

#include "cli/prompt_form_flags.h"

namespace mathtrap {

void add_prompt_form_flags(CLI::App& command, PromptFormChoice& form) {
  form.name = "auto";
  command
      .add_option("--prompt-form", form.name,
                  "model (its chat template), a name of prompts/forms, the path of a .toml file, or auto: model where "
                  "there is a template, else plain")
      ->capture_default_str();
  command.add_option("--chat-template", form.chat_template,
                     "File with a chat template (Jinja2), in place of the model's own");
  command.add_option("--system", form.system, "System message of the chat template (default: what the template says)");
  command.add_option("--template-date", form.template_date, "The day that a chat template takes for today, YYYY-MM-DD")
      ->capture_default_str();
}

}  // namespace mathtrap

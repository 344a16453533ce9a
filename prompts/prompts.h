// How a question becomes a prompt: a form (the frame around it) and an intervention (what is added to help). Both are
// data files: prompts/forms/<name>.toml and prompts/interventions/<name>.toml.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mathtrap {

/// What is asked of the model. Original and trap problems are asked in the same words.
enum class Arm { original, trap, conceptual };

/// "original", "trap", "concept": the names in flags and results.
std::string_view to_string(Arm arm);
/// Throws Error naming the arms when `text` is none of them.
Arm parse_arm(std::string_view text);

/// A prompt form. In its templates `{{problem}}` stands for the problem or question and `{{hint}}` for the
/// intervention's sentence followed by `after_hint` (nothing when there is no hint). Nothing else is expanded.
struct PromptForm {
  std::string name;
  std::string problem;            ///< template for original and trap problems: {{problem}} and {{hint}} once each
  std::string conceptual;         ///< template for conceptual questions: {{problem}} once
  std::string after_hint;         ///< a blank or a line break, as the form likes
  std::vector<std::string> stop;  ///< strings at which a reply ends
};

struct Intervention {
  std::string name;
  std::string hint;  ///< sentence put into the prompt of problems; empty for "none"
};

/// Reads prompts/forms/<name>.toml, or the file when `name` ends in ".toml". Throws Error, listing the known forms.
PromptForm load_prompt_form(const std::string& name);
Intervention load_intervention(const std::string& name);

/// The whole prompt. The hint is put before problems only: conceptual questions are asked without interventions' hints.
std::string render_prompt(const PromptForm& form, const Intervention& intervention, Arm arm, std::string_view text);

}  // namespace mathtrap

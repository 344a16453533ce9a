// How a question becomes a prompt: a form (the frame around it) and an intervention (what is added to help). Both are
// data files: prompts/forms/<name>.toml and prompts/interventions/<name>.toml.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "prompts/chat_template.h"
#include "prompts/user_text.h"

namespace mathtrap {

/// What is asked of the model. Original and trap problems are asked in the same words.
enum class Arm { original, trap, conceptual };

/// "original", "trap", "concept": the names in flags and results.
std::string_view to_string(Arm arm);
/// Throws Error naming the arms when `text` is none of them.
Arm parse_arm(std::string_view text);

/// The frame that a model's own chat template gives.
struct ChatForm {
  ChatTemplate chat_template;
  TemplateVariables variables;
  std::string system;  ///< what the system says first; empty: nothing, and the template may say something of its own
};

/// A prompt form. In its templates `{{problem}}` stands for the problem or question and `{{hint}}` for the
/// intervention's sentence followed by `after_hint` (nothing when there is no hint). Nothing else is expanded.
struct PromptForm {
  std::string name;
  std::string problem;            ///< template for original and trap problems: {{problem}} and {{hint}} once each
  std::string conceptual;         ///< template for conceptual questions: {{problem}} once
  std::string after_hint;         ///< a blank or a line break, as the form likes
  std::string before_reply;       ///< between a question and the reply to it, where a prompt holds both
  std::string after_reply;        ///< between that reply and the next question
  std::vector<std::string> stop;  ///< strings at which a reply ends
  /// Where it is there the templates above give what users say, and shots and second turns are turns of a conversation
  /// in place of `before_reply` and `after_reply`.
  std::optional<ChatForm> chat = {};
};

/// How the shots of K-shot prompts are chosen; see shots.h.
enum class ShotOrder { fixed, random, nearest };
std::string_view to_string(ShotOrder order);

/// What is done to help. The parts of "hint+5-shot+think" make one intervention.
struct Intervention {
  std::string name;            ///< as it was given
  std::string hint;            ///< sentence put before problems; empty for none
  std::string after = {};      ///< put behind problems, such as an opening of step-by-step thinking
  std::string follow_up = {};  ///< what is asked in a second turn, when the first reply is there
  int shots = 0;               ///< examples shown before the problem
  int trap_shots = 0;          ///< of these, problems with a trap
  ShotOrder shot_order = ShotOrder::fixed;
  int votes = 1;             ///< replies of which the most common counts
  std::string adapter = {};  ///< name or folder of an adapter that the model is given; empty for none
};

/// An example in a prompt: a problem with a reply as it should be.
struct Shot {
  std::string id;  ///< of its record
  std::string problem;
  std::string reply;
  bool is_trap = false;
};

/// Reads prompts/forms/<name>.toml, or the file when `name` ends in ".toml". Throws Error, listing the known forms.
PromptForm load_prompt_form(const std::string& name);

/// Parts joined with "+", each a name of prompts/interventions or the path of a .toml file; "K-shot", "K-shot:ORDER" or
/// "K-shot:ORDER:T" (ORDER fixed, random or nearest; T of the K shots are traps, otherwise every other one, the first
/// among them); "vote:K"; or "adapter:MODEL", a fine-tuned adapter. Throws Error: an unknown part, listing the known
/// ones, and two parts that do the same.
Intervention load_intervention(const std::string& name);

/// The form named "model": a chat template around the question, with the hint on a line of its own.
PromptForm make_chat_form(ChatForm chat);

/// The turns up to a question, of a form with a chat template; nothing of others. Shots are turns of user and
/// assistant.
std::vector<Message> make_conversation(const PromptForm& form, const Intervention& intervention, Arm arm,
                                       std::string_view text, std::span<const Shot> shots = {});

/// The whole prompt, and what of it users have said: problems and the replies of shots, with a chat template all that
/// is said in turns. Interventions help with problems only: conceptual questions are asked as they are. Shots are asked
/// in the words in which the problem is. A chat template may write begin-of-text: the engine sees to it that there is
/// one. Throws Error when a chat template refuses the conversation.
Prompt make_prompt(const PromptForm& form, const Intervention& intervention, Arm arm, std::string_view text,
                   std::span<const Shot> shots = {});

/// The text of make_prompt.
std::string render_prompt(const PromptForm& form, const Intervention& intervention, Arm arm, std::string_view text,
                          std::span<const Shot> shots = {});

/// The first turn: what was asked, and the turns of it (make_conversation).
struct FirstTurn {
  const Prompt& prompt;
  const std::vector<Message>& conversation;
};

/// The prompt of the second turn: the first, the reply to it, which users have said too, and the intervention's
/// follow-up.
Prompt make_follow_up(const PromptForm& form, const Intervention& intervention, const FirstTurn& first,
                      std::string_view reply);

}  // namespace mathtrap

// Chat templates: how a model wants a conversation written, as its makers say in Jinja2. What models' templates use of
// Jinja2 is supported, with the settings that transformers gives it (trim_blocks, lstrip_blocks, the filter tojson,
// raise_exception, strftime_now, break and continue); anything else is refused with its place.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/error.h"

namespace mathtrap {

/// One turn of a conversation. Roles are "system", "user" and "assistant".
struct Message {
  std::string role;
  std::string content;

  bool operator==(const Message&) const = default;
};

/// The day that templates take for today's. Llama 3.1's template has this one where none is given; a run of tomorrow
/// must ask what today's asked.
inline constexpr const char* kTemplateDate = "2024-07-26";

struct ChatTemplate {
  std::string source;
  Place place;        ///< where it was read
  struct Statements;  ///< what it was parsed into
  std::shared_ptr<const Statements> statements;
};

struct Conversation {
  std::vector<Message> messages;
  bool add_generation_prompt = true;  ///< end where the assistant's reply begins
};

/// What a template may ask about beyond the conversation.
struct TemplateVariables {
  std::map<std::string, std::string> special_tokens;  ///< text by name: "bos_token", "eos_token", …
  std::string date = kTemplateDate;                   ///< YYYY-MM-DD
};

/// `place` is the template's file, and its field where it is a part of one. Throws Error, with line and column, on what
/// is no template or not supported. A template may have 256 KiB.
ChatTemplate parse_chat_template(std::string source, const Place& place);

/// The text of a conversation. The template finds messages, add_generation_prompt, the special tokens, and, as in
/// transformers, none under tools and documents. Throws Error, with line and column, when the template refuses the
/// conversation (a system message, roles that do not take turns), needs what is not supported, or does not come to an
/// end within bounds.
std::string render(const ChatTemplate& chat_template, const Conversation& conversation,
                   const TemplateVariables& variables);

/// Throws Error when `date` is no day written YYYY-MM-DD.
void check_template_date(const std::string& date);

}  // namespace mathtrap

#include "prompts/chat_template.h"

#include <fmt/format.h>

#include <utility>

#include "prompts/jinja/evaluation.h"
#include "prompts/jinja/syntax.h"
#include "support/json.h"
#include "support/text.h"

namespace mathtrap {

struct ChatTemplate::Statements {
  std::vector<jinja::Statement> list;
};

ChatTemplate parse_chat_template(std::string source, const Place& place) {
  auto statements = std::make_shared<ChatTemplate::Statements>();
  statements->list = jinja::parse_statements(source, place);
  return {std::move(source), place, std::move(statements)};
}

std::string render(const ChatTemplate& chat_template, const Conversation& conversation,
                   const TemplateVariables& variables) {
  Json messages = Json::array();
  for (const Message& message : conversation.messages) {
    messages.push_back({{"role", message.role}, {"content", message.content}});
  }
  Json known = {{"messages", std::move(messages)},
                {"tools", nullptr},
                {"documents", nullptr},
                {"add_generation_prompt", conversation.add_generation_prompt}};
  for (const auto& [name, text] : variables.special_tokens) known[name] = text;
  return jinja::render(chat_template.statements->list, known, variables.date, chat_template.place);
}

void check_template_date(const std::string& date) {
  static constexpr std::string_view kForm = "0000-00-00";
  bool right = date.size() == kForm.size();
  for (std::size_t i = 0; right && i < date.size(); ++i) right = kForm[i] == '-' ? date[i] == '-' : is_digit(date[i]);
  const auto two = [&](std::size_t at) { return 10 * (date[at] - '0') + (date[at + 1] - '0'); };
  if (right) right = two(5) >= 1 && two(5) <= 12 && two(8) >= 1 && two(8) <= 31;
  if (!right) throw Error(fmt::format("the template's date \"{}\": a day as YYYY-MM-DD is wanted", date));
}

}  // namespace mathtrap

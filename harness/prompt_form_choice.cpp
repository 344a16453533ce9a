#include "harness/prompt_form_choice.h"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>
#include <utility>

#include "model/chat_template_source.h"
#include "model/model_path.h"
#include "support/error.h"
#include "support/files.h"

namespace mathtrap {
namespace {

constexpr const char* kAuto = "auto";
constexpr const char* kModel = "model";
constexpr const char* kPlain = "plain";
constexpr std::uint64_t kMaxTemplateBytes = std::uint64_t{1} << 20;  // this bounds what a wrong path reads

/// A server has its template on its own side, and replies of a file are made.
bool has_files(const std::string& model) {
  return !model.empty() && !model.starts_with("openai:") && !model.starts_with("replay:");
}

PromptForm make_form(const PromptFormChoice& choice, ChatTemplateSource source) {
  check_template_date(choice.template_date);
  ChatForm chat;
  chat.chat_template = parse_chat_template(std::move(*source.text), source.place);
  chat.variables = {std::move(source.special_tokens), choice.template_date};
  chat.system = choice.system;
  return make_chat_form(std::move(chat));
}

}  // namespace

PromptForm choose_prompt_form(const PromptFormChoice& choice) {
  const bool named = choice.name != kAuto && choice.name != kModel;
  if (named) {
    if (!choice.chat_template.empty()) {
      throw Error(
          fmt::format("--chat-template and --prompt-form {}: only one of them can frame the questions", choice.name));
    }
    if (!choice.system.empty()) {
      throw Error(fmt::format("--system: the prompt form {} has no place for it; chat templates have", choice.name));
    }
    return load_prompt_form(choice.name);
  }
  ChatTemplateSource source;
  if (has_files(choice.model)) source = read_chat_template_source(resolve_model_path(choice.model));
  if (!choice.chat_template.empty()) {
    source.place = {choice.chat_template, 0, ""};
    source.text = read_file(choice.chat_template, kMaxTemplateBytes);
  }
  if (source.text) return make_form(choice, std::move(source));
  if (choice.name == kModel) {
    throw Error(
        fmt::format("--prompt-form model: the model {} has no chat template; give one with --chat-template FILE, "
                    "or another form",
                    choice.model));
  }
  if (!choice.system.empty()) {
    throw Error("--system: the model has no chat template that has a place for it; give one with --chat-template FILE");
  }
  return load_prompt_form(kPlain);
}

}  // namespace mathtrap

// The form named "model": a chat template around questions, shots and second turns.
#include "prompts/prompts.h"
#include "support/error.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

constexpr const char* kTurns =
    "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

PromptForm form_of(const std::string& source, const std::string& system = "") {
  ChatForm chat;
  chat.chat_template = parse_chat_template(source, {"t.jinja", 0, ""});
  chat.variables.special_tokens = {{"bos_token", "<s>"}, {"eos_token", "</>"}};
  chat.system = system;
  return make_chat_form(chat);
}

const Intervention kHint{"hint", "It may have no answer."};

}  // namespace

TEST_CASE("a chat template frames the question, with the begin-of-text that it writes") {
  const PromptForm form = form_of(kTurns);
  CHECK(form.name == "model");
  CHECK(form.stop == std::vector<std::string>{"</>"});
  CHECK(render_prompt(form, {"none", ""}, Arm::original, "Q?") == "<s><user>Q?</><assistant>");
  CHECK(render_prompt(form, kHint, Arm::trap, "Q?") == "<s><user>It may have no answer.\nQ?</><assistant>");
  CHECK(render_prompt(form, kHint, Arm::conceptual, "Q?") == "<s><user>Q? Answer true or false.</><assistant>");
  CHECK(render_prompt(form_of("{{ bos_token }}{{ bos_token }}x"), {"none", ""}, Arm::trap, "Q") == "<s><s>x");
  CHECK(render_prompt(form_of("{{ messages[0].content }}"), {"none", ""}, Arm::trap, " <s>") == " <s>");
}

TEST_CASE("a system message stands first, shots are turns, and conceptual questions have none") {
  const PromptForm form = form_of(kTurns, "Be brief.");
  const std::vector<Shot> shots = {{"a", "P1", "R1", true}, {"b", "P2", "R2", false}};
  CHECK(render_prompt(form, kHint, Arm::trap, "Q", shots) ==
        "<s><system>Be brief.</><user>It may have no answer.\nP1</><assistant>R1</>"
        "<user>It may have no answer.\nP2</><assistant>R2</><user>It may have no answer.\nQ</><assistant>");
  CHECK(render_prompt(form, kHint, Arm::conceptual, "Q", shots) ==
        "<s><system>Be brief.</><user>Q Answer true or false.</><assistant>");
}

TEST_CASE("a second turn is a turn of the conversation") {
  const PromptForm form = form_of(kTurns, "S");
  Intervention check{"check", ""};
  check.follow_up = "Is that so?";
  const std::vector<Message> conversation = make_conversation(form, check, Arm::trap, "Q");
  CHECK(conversation == std::vector<Message>{{"system", "S"}, {"user", "Q"}});
  const Prompt prompt = make_prompt(form, check, Arm::trap, "Q");
  CHECK(make_follow_up(form, check, {prompt, conversation}, " It is 3.\n").text ==
        "<s><system>S</><user>Q</><assistant>It is 3.</><user>Is that so?</><assistant>");
  // A form of text has no turns: what it asked is in its prompt.
  CHECK(make_conversation(load_prompt_form("plain"), check, Arm::trap, "Q").empty());
}

TEST_CASE("braces of a problem are no template's") {
  CHECK(render_prompt(form_of(kTurns), {"none", ""}, Arm::trap, "{{ bos_token }} {% if %} {{hint}} \\frac{{1}}{2}") ==
        "<s><user>{{ bos_token }} {% if %} {{hint}} \\frac{{1}}{2}</><assistant>");
}

TEST_CASE("a template that refuses system messages says so") {
  const PromptForm form =
      form_of("{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}x", "Be brief.");
  CHECK_THROWS_WITH(render_prompt(form, {"none", ""}, Arm::trap, "Q"),
                    "t.jinja:1: column 56: the template refuses this conversation: no system role");
}

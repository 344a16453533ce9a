// What of a prompt users have said: the parts in which special tokens are text.
#include "prompts/prompts.h"
#include "prompts/user_text.h"
#include "support/error.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

constexpr const char* kChatMl =
    "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content | trim + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

PromptForm chat_form(const std::string& source, const std::string& system = "") {
  ChatForm chat;
  chat.chat_template = parse_chat_template(source, {"t.jinja", 0, ""});
  chat.variables.special_tokens = {{"bos_token", "<s>"}};
  chat.system = system;
  return make_chat_form(chat);
}

std::vector<std::string> said(const Prompt& prompt) {
  std::vector<std::string> parts;
  for (const TextSpan& part : prompt.user_text) parts.push_back(prompt.text.substr(part.begin, part.end - part.begin));
  return parts;
}

using Parts = std::vector<std::string>;
const Intervention kPlainly{"none", ""};

}  // namespace

TEST_CASE("what users say is marked in a chat template's prompt, whatever it says") {
  const PromptForm form = chat_form(kChatMl);
  for (const char* problem : {"What is 1 + 1?", "x", "<|im_end|>", "<|im_start|>assistant", "user", "xyx x",
                              "a \"b\" \u2260 c", "{{ bos_token }}"}) {
    INFO(problem);
    CHECK(said(make_prompt(form, kPlainly, Arm::trap, problem)) == Parts{problem});
  }
  // What special tokens do not consist of may be missing at the borders.
  CHECK(said(make_prompt(form, kPlainly, Arm::trap, "\u00e9t\u00e9 \"<s>\"")) == Parts{"t\u00e9 \"<s>"});
  CHECK(said(make_prompt(form, kPlainly, Arm::trap, "<think>so</think>.")) == Parts{"so", "."});
  CHECK(said(make_prompt(form, kPlainly, Arm::trap, "  trimmed\n ")) == Parts{"trimmed"});
  CHECK(make_prompt(form, kPlainly, Arm::trap, "Q").text ==
        "<s><|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n");
}

TEST_CASE("system messages, shots, their replies and hints are said too, and the frame is not") {
  const PromptForm form = chat_form(kChatMl, "Be <s> brief.");
  const std::vector<Shot> shots = {{"a", "P<|im_end|>", "R<|im_start|>", true}};
  const Prompt prompt = make_prompt(form, {"hint", "Mind </s>."}, Arm::trap, "Q", shots);
  CHECK(said(prompt) == Parts{"Be <s> brief.", "Mind </s>.\nP<|im_end|>", "R<|im_start|>", "Mind </s>.\nQ"});
}

TEST_CASE("of a form of text the problems and the shots' replies are what users say") {
  const PromptForm form = load_prompt_form("chatml");
  const std::vector<Shot> shots = {{"a", "P<|im_end|>", "R", false}};
  const Prompt prompt = make_prompt(form, kPlainly, Arm::trap, "<|im_start|>", shots);
  CHECK(said(prompt) == Parts{"P<|im_end|>", "R", "<|im_start|>"});
  CHECK(prompt.text == render_prompt(form, kPlainly, Arm::trap, "<|im_start|>", shots));
}

TEST_CASE("a reply that is put before a second turn is said too") {
  Intervention check{"check", ""};
  check.follow_up = "Sure?";
  const PromptForm chat = chat_form(kChatMl);
  const std::vector<Message> conversation = make_conversation(chat, check, Arm::trap, "Q");
  const Prompt first = make_prompt(chat, check, Arm::trap, "Q");
  CHECK(said(make_follow_up(chat, check, {first, conversation}, " 3 <|im_end|>")) ==
        Parts{"Q", "3 <|im_end|>", "Sure?"});
  const PromptForm plain = load_prompt_form("plain");
  const Prompt asked = make_prompt(plain, check, Arm::trap, "Q");
  CHECK(said(make_follow_up(plain, check, {asked, {}}, " 3 </s>\n")) == Parts{"Q", "3 </s>"});
  CHECK(said(make_follow_up(plain, check, {asked, {}}, " ")) == Parts{"Q"});
}

TEST_CASE("a template may cut thoughts from replies") {
  Intervention check{"check", ""};
  check.follow_up = "Sure?";
  const PromptForm form =
      chat_form("{% for m in messages %}[{{ m.role }}]{{ m.content.split('</think>')[-1] }}{% endfor %}");
  const std::vector<Message> conversation = make_conversation(form, check, Arm::trap, "Q");
  const Prompt first = make_prompt(form, check, Arm::trap, "Q");
  const Prompt second = make_follow_up(form, check, {first, conversation}, "<think>hm</think>It is 3.");
  CHECK(second.text == "[user]Q[assistant]It is 3.[user]Sure?");
  CHECK(said(second) == Parts{"Q", "It is 3.", "Sure?"});
}

TEST_CASE("a template that adds words for what users say is refused") {
  const PromptForm form =
      chat_form("{{ messages[0].content }}{% if 'sum' in messages[0].content %}<|im_end|>{% endif %}");
  CHECK(said(make_prompt(form, kPlainly, Arm::trap, "Q")) == Parts{"Q"});
  CHECK_THROWS_WITH(
      make_prompt(form, kPlainly, Arm::trap, "the sum"),
      "t.jinja: what it writes depends on what users say, so that their words cannot be told from its own; "
      "use another prompt form");
}

TEST_CASE("a stand-in differs in every visible character of ASCII but quotes and backslashes, and has its length") {
  std::string text;
  for (int c = 0; c < 128; ++c) text += static_cast<char>(c);
  const std::string other = stand_in(text);
  REQUIRE(other.size() == text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool replaced = text[i] > ' ' && text[i] < '\x7f' && text[i] != '"' && text[i] != '\\';
    INFO(i);
    CHECK((other[i] != text[i]) == replaced);
  }
  CHECK(stand_in("\u00e9\u2260") == "\u00e9\u2260");
  CHECK(stand_in("a</think>x") == "x</think>y");
}

// Interventions: how they are named and joined, and what prompts they make.
#include "prompts/prompts.h"
#include "support/error.h"
#include "tests/catch.h"

using namespace mathtrap;

namespace {

std::string refusal(const std::string& name) {
  try {
    load_intervention(name);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const std::vector<Shot> kShots = {{"a", "Trap?", "It contradicts itself.", true}, {"b", "Sum?", "It is 3.", false}};

}  // namespace

TEST_CASE("parts joined with + make one intervention") {
  const Intervention whole = load_intervention("hint+5-shot:nearest:2+think+vote:7");
  CHECK(whole.name == "hint+5-shot:nearest:2+think+vote:7");
  CHECK(whole.hint == load_intervention("hint").hint);
  CHECK(whole.after == load_intervention("think").after);
  CHECK_FALSE(whole.after.empty());
  CHECK(whole.shots == 5);
  CHECK(whole.trap_shots == 2);
  CHECK(whole.shot_order == ShotOrder::nearest);
  CHECK(whole.votes == 7);
  CHECK(whole.follow_up.empty());
}

TEST_CASE("of K shots every other one is a trap, beginning with a trap") {
  CHECK(load_intervention("1-shot").trap_shots == 1);
  CHECK(load_intervention("2-shot").trap_shots == 1);
  CHECK(load_intervention("5-shot").trap_shots == 3);
  CHECK(load_intervention("5-shot").shot_order == ShotOrder::fixed);
  CHECK(load_intervention("4-shot:random:0").trap_shots == 0);
}

TEST_CASE("the hint has several wordings, and none of them is another's") {
  const std::string hint = load_intervention("hint").hint;
  const std::string check = load_intervention("hint-check").hint;
  const std::string trap = load_intervention("hint-trap").hint;
  CHECK(hint != check);
  CHECK(check != trap);
  CHECK(contains(trap, "trap"));
}

TEST_CASE("what makes no sense is refused with the reason") {
  CHECK(contains(refusal("hint+fancy"), "\"fancy\""));
  CHECK(contains(refusal("hint+fancy"), "K-shot, vote:K"));
  CHECK(contains(refusal("hint+hint-trap"), "another part gives the hint already"));
  CHECK(contains(refusal("0-shot"), "from 1 to"));
  CHECK(contains(refusal("65-shot"), "from 1 to"));
  CHECK(contains(refusal("5-shots"), "fixed, random or nearest"));
  CHECK(contains(refusal("5-shot:best"), "fixed, random or nearest"));
  CHECK(contains(refusal("5-shot:random:6"), "0 to 5"));
  CHECK(contains(refusal("5-shot+1-shot"), "given twice"));
  CHECK(contains(refusal("vote:1"), "from 2 to"));
  CHECK(contains(refusal("vote:many"), "from 2 to"));
  CHECK(contains(refusal("hint+"), "\"\""));
}

TEST_CASE("shots are asked in the words in which the problem is, conceptual questions without them") {
  const PromptForm plain = load_prompt_form("plain");
  const Intervention help{"x", "Watch out."};
  CHECK(render_prompt(plain, help, Arm::trap, "Really?", kShots) ==
        "Question: Watch out. Trap?\nAnswer: It contradicts itself.\n"
        "Question: Watch out. Sum?\nAnswer: It is 3.\n"
        "Question: Watch out. Really?\nAnswer:");
  CHECK(render_prompt(plain, help, Arm::conceptual, "Can it?", kShots) ==
        render_prompt(plain, {"none", ""}, Arm::conceptual, "Can it?"));
}

TEST_CASE("a second turn holds the first, its reply and the follow-up") {
  const PromptForm plain = load_prompt_form("plain");
  Intervention check = load_intervention("check");
  check.follow_up = "Sure?";
  const Prompt first{"Question: What?\nAnswer:"};
  CHECK(make_follow_up(plain, check, {first, {}}, " It is 3.\n").text ==
        "Question: What?\nAnswer: It is 3.\nQuestion: Sure?\nAnswer:");
}

TEST_CASE(
    "complaint 7: the chat forms frame questions as those models were trained, without a begin-of-text of their own") {
  const Intervention none{"none", ""};
  const std::vector<Shot> one = {kShots[1]};
  CHECK(render_prompt(load_prompt_form("chatml"), none, Arm::trap, "Q", one) ==
        "<|im_start|>user\nSum?<|im_end|>\n<|im_start|>assistant\nIt is 3.<|im_end|>\n"
        "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n");
  CHECK(render_prompt(load_prompt_form("llama-2"), none, Arm::trap, "Q", one) ==
        "[INST] Sum? [/INST] It is 3. </s><s>[INST] Q [/INST]");
  CHECK(render_prompt(load_prompt_form("llama-3"), none, Arm::trap, "Q") ==
        "<|start_header_id|>user<|end_header_id|>\n\nQ<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
  CHECK(render_prompt(load_prompt_form("vicuna"), none, Arm::trap, "Q", one) ==
        "USER: Sum? ASSISTANT: It is 3.</s>USER: Q ASSISTANT:");
  // The tokenizer puts the one begin-of-text in front: a form that held it, too, would have two.
  for (const char* name : {"plain", "alpaca", "chatml", "llama-2", "llama-3", "vicuna"}) {
    const std::string prompt = render_prompt(load_prompt_form(name), none, Arm::trap, "Q");
    INFO(name);
    CHECK_FALSE(prompt.starts_with("<s>"));
    CHECK_FALSE(contains(prompt, "<|begin_of_text|>"));
  }
}

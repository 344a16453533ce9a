// Forms and interventions: what the shipped ones render to, and what a broken file says.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "prompts/prompts.h"
#include "support/error.h"
#include "support/files.h"
#include "tests/catch.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

const Intervention kNone{"none", ""};
const Intervention kHint{"hint", "It may have no answer."};

/// A file of this content, in the temporary folder.
std::string toml_file(const std::string& content) {
  const fs::path path = fs::temp_directory_path() / fmt::format("mathtrap-prompts-{}.toml", ::getpid());
  write_file_atomically(path, content);
  return path.string();
}

template <typename Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string form_error(const std::string& content) {
  return error_of([&] { load_prompt_form(toml_file(content)); });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the plain form asks in few words") {
  const PromptForm form = load_prompt_form("plain");
  CHECK(render_prompt(form, kNone, Arm::original, "What is 1 + 1?") == "Question: What is 1 + 1?\nAnswer:");
  CHECK(render_prompt(form, kHint, Arm::trap, "What is 1 + 1?") ==
        "Question: It may have no answer. What is 1 + 1?\nAnswer:");
  CHECK(render_prompt(form, kNone, Arm::conceptual, "Can 2 be odd?") ==
        "Question: Can 2 be odd? Answer true or false.\nAnswer:");
  CHECK(form.stop == std::vector<std::string>{"\nQuestion:"});
}

TEST_CASE("the alpaca form puts the hint on a line of its own") {
  const PromptForm form = load_prompt_form("alpaca");
  CHECK(contains(render_prompt(form, kHint, Arm::trap, "What is 1 + 1?"),
                 "\n### Instruction:\nIt may have no answer.\nWhat is 1 + 1?\n\n### Response:"));
  CHECK(contains(render_prompt(form, kNone, Arm::trap, "What?"), "### Instruction:\nWhat?\n"));
}

TEST_CASE("originals and traps are asked in the same words, conceptual questions without a hint") {
  for (const char* name : {"plain", "alpaca"}) {
    const PromptForm form = load_prompt_form(name);
    CHECK(render_prompt(form, kHint, Arm::original, "Q") == render_prompt(form, kHint, Arm::trap, "Q"));
    CHECK(render_prompt(form, kHint, Arm::conceptual, "Q") == render_prompt(form, kNone, Arm::conceptual, "Q"));
  }
}

TEST_CASE("the shipped interventions") {
  CHECK(load_intervention("none").hint.empty());
  CHECK(contains(load_intervention("hint").hint, "may have no answer"));
}

TEST_CASE("braces in a problem are not expanded") {
  const PromptForm form = load_prompt_form("plain");
  const std::string problem = "Is {{hint}} or {{problem}} in \\frac{{1}}{2}?";
  CHECK(render_prompt(form, kHint, Arm::trap, problem) == "Question: It may have no answer. " + problem + "\nAnswer:");
  CHECK(render_prompt(form, {"odd", "{{problem}}"}, Arm::trap, "x") == "Question: {{problem}} x\nAnswer:");
}

TEST_CASE("names that are not there are answered with those that are") {
  const std::string form = error_of([] { load_prompt_form("fancy"); });
  CHECK(contains(form, "\"fancy\""));
  CHECK(contains(form, "alpaca, chatml, llama-2"));
  CHECK(contains(error_of([] { load_intervention("../forms/plain"); }),
                 "check, hint, hint-check, hint-trap, none, think"));
  CHECK(contains(error_of([] { load_intervention(""); }), "check, hint, hint-check, hint-trap, none, think"));
  CHECK(contains(error_of([] { load_prompt_form("/nowhere/form.toml"); }), "/nowhere/form.toml"));
  CHECK(contains(error_of([] { parse_arm("conceptual"); }), "original, trap, concept"));
}

TEST_CASE("arms bear the names of flags and results") {
  for (const Arm arm : {Arm::original, Arm::trap, Arm::conceptual}) CHECK(parse_arm(to_string(arm)) == arm);
  CHECK(to_string(Arm::conceptual) == "concept");
}

TEST_CASE("a broken form says what and where") {
  const std::string good = "problem='{{hint}}{{problem}}'\nconceptual='{{problem}}'\n";
  CHECK(form_error(good) == "no error");
  CHECK(contains(form_error("problem = "), ".toml:1: "));
  CHECK(contains(form_error("problem='{{problem}}'\nconceptual='{{problem}}'"),
                 "problem: the template must hold {{hint}}"));
  CHECK(contains(form_error("problem='{{hint}}{{problem}}'\nconceptual='{{hint}}{{problem}}'"), "conceptual: "));
  CHECK(contains(form_error("problem='{{hint}}{{problem}}{{answer}}'\nconceptual='{{problem}}'"), "double braces"));
  CHECK(contains(form_error(good + "stop='x'"), ":3: stop: a list of strings"));
  CHECK(contains(form_error(good + "stop=['']"), "not empty"));
  CHECK(contains(form_error(good + "stops=['x']"), ":3: stops: unknown field"));
  CHECK(contains(form_error("problem=1\nconceptual='{{problem}}'"), ":1: problem: a string is wanted"));
}

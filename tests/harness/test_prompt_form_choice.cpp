// Which form a run takes, and that a chat template reaches its prompts, its second turns and its description.
#include "harness/evaluation.h"
#include "harness/prompt_form_choice.h"
#include "support/error.h"
#include "support/log.h"
#include "tests/catch.h"
#include "tests/harness/records.h"
#include "tests/harness/scripted_model.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* kTurns =
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]";

/// A folder that holds a template and no model: the choice of a form looks at no weights.
fs::path folder_with(const std::string& chat_template) {
  fs::path folder = fresh_path("chat-model");
  fs::create_directories(folder);
  if (!chat_template.empty()) write_file_atomically(folder / "chat_template.jinja", chat_template);
  write_file_atomically(folder / "tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": "</s>"})");
  return folder;
}

std::string refusal(const PromptFormChoice& choice) {
  try {
    choose_prompt_form(choice);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("auto takes the model's template where there is one") {
  const std::string with = folder_with(kTurns).string();
  CHECK(choose_prompt_form({"auto", with}).name == "model");
  CHECK(choose_prompt_form({"model", with}).chat->variables.special_tokens.at("bos_token") == "<s>");
  CHECK(choose_prompt_form({"plain", with}).name == "plain");
  CHECK_FALSE(choose_prompt_form({"chatml", with}).chat);
  CHECK(choose_prompt_form({"auto", "openai:http://127.0.0.1/v1#x"}).name == "plain");
  CHECK(choose_prompt_form({"auto", "replay:/no/such/file"}).name == "plain");
  const std::string without = folder_with("").string();
  CHECK(choose_prompt_form({"auto", without}).name == "plain");
  CHECK(contains(refusal({"model", without}), "has no chat template; give one with --chat-template FILE"));
  CHECK(contains(refusal({"auto", without, "", "Be brief."}), "--system: the model has no chat template"));
}

TEST_CASE("a template that is given goes before the model's, with the model's special tokens") {
  const std::string model = folder_with("the model's own").string();
  const std::string file = fresh_path("given.jinja").string();
  write_file_atomically(file, "{{ bos_token }}{{ eos_token }}given {{ strftime_now('%d %b %Y') }}");
  const PromptForm form = choose_prompt_form({"auto", model, file, "", "2025-01-02"});
  CHECK(render_prompt(form, {"none", ""}, Arm::trap, "Q") == "<s></s>given 02 Jan 2025");
  CHECK(contains(refusal({"alpaca", model, file}), "--chat-template and --prompt-form alpaca: only one"));
  CHECK(contains(refusal({"alpaca", model, "", "x"}), "--system: the prompt form alpaca has no place for it"));
  CHECK(contains(refusal({"auto", model, file, "", "yesterday"}), "a day as YYYY-MM-DD is wanted"));
  CHECK(contains(refusal({"auto", model, "/no/such/file"}), "/no/such/file"));
  write_file_atomically(file, "\n{{ x | wordwrap }}");
  CHECK(choose_prompt_form({"auto", model, file}).name == "model");
  write_file_atomically(file, "\n{% include x %}");
  CHECK(contains(refusal({"auto", model, file}), "given.jinja"));
  CHECK(contains(refusal({"auto", model, file}), ":2: column 4: the block \"include\" is not supported"));
}

TEST_CASE("a run with a chat template asks in turns and says which template it took") {
  set_quiet(true);
  EvaluationOptions options;
  options.dataset = sum_dataset(4).string();
  options.arms = {"trap", "concept"};
  options.interventions = {"check", "1-shot"};
  options.prompt_form = {"auto", folder_with(kTurns).string(), "", "Be brief."};
  const std::string follow_up = load_intervention("check").follow_up;
  ScriptedModel model([&](const GenerationRequest& request) {
    CHECK(request.prompt.starts_with("<s>[system]Be brief.[user]"));
    CHECK(request.prompt.ends_with("[assistant]"));
    CHECK(request.options.stop == std::vector<std::string>{"</s>"});
    if (contains(request.prompt, follow_up)) {
      CHECK(contains(request.prompt, "+ some?[assistant]The answer is 7.[user]" + follow_up + "[assistant]"));
    }
    return finished_reply(" The answer is 7.\n");
  });
  const PreparedEvaluation prepared = prepare_evaluation(options, "1");
  const StoredRun stored = run_evaluation(prepared, model, fresh_path("chat-run"), {}).value();
  CHECK(stored.run["prompts"]["form"] == "model");
  CHECK(stored.run["prompts"]["chat_template"]["sha256"].get<std::string>().size() == 64);
  CHECK(stored.run["prompts"]["chat_template"]["system"] == "Be brief.");
  CHECK(model.asked == 4 * 2 + 4 + 2 * 4);
  std::size_t with_shot = 0;
  for (const Sample& sample : stored.samples) {
    if (sample.intervention == "1-shot" && sample.arm == Arm::trap) {
      with_shot += contains(sample.prompt.substr(0, sample.prompt.rfind("[user]")), "[assistant]") ? 1 : 0;
    }
  }
  CHECK(with_shot == 4);

  EvaluationOptions other = options;
  other.prompt_form.model = folder_with("{{ '' }}" + std::string(kTurns)).string();
  const PreparedEvaluation changed = prepare_evaluation(other, "1");
  CHECK(changed.plan.questions.front().request.prompt == prepared.plan.questions.front().request.prompt);
  CHECK(changed.description["prompts"] != prepared.description["prompts"]);
  CHECK(plan_sha256(changed.plan) != plan_sha256(prepared.plan));
}

TEST_CASE("a template that refuses a second turn is known before the first reply") {
  EvaluationOptions options;
  options.dataset = sum_dataset(2).string();
  options.interventions = {"check"};
  const std::string once = "{% if messages | length > 1 %}{{ raise_exception('one turn alone') }}{% endif %}x";
  options.prompt_form = {"auto", folder_with(once).string()};
  try {
    prepare_evaluation(options, "1");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(contains(error.what(), "one turn alone"));
  }
}

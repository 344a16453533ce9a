// A model with a chat template, from the command line: what info says of it, and what eval asks.
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

using namespace mathtrap;
namespace fs = std::filesystem;

namespace {

/// The zoo's model with a template beside it.
fs::path chat_model() {
  const fs::path zoo = fs::path(MATHTRAP_SOURCE_DIR) / "model/zoo/organism";
  fs::path folder = fresh_folder("chat-model");
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.model"}) {
    fs::create_symlink(zoo / name, folder / name);
  }
  write_file_atomically(folder / "tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": "</s>", "chat_template":
    "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"})");
  return folder;
}

Json info_of(const fs::path& model) {
  return parse_json(run({"model", "info", model.string(), "--json"}).output, {"info", 0, ""});
}

}  // namespace

TEST_CASE("eval asks by the model's chat template, and info shows it") {
  const fs::path model = chat_model();
  CHECK(
      info_of(model)["chat_template"].get<std::string>().starts_with("tokenizer_config.json, chat_template; sha256 "));
  CHECK(info_of("zoo:organism")["chat_template"] == "none");

  // A converted model keeps its template.
  const fs::path converted = fresh_folder("chat-converted") / "model";
  REQUIRE(run({"model", "convert", model.string(), "--out", converted.string()}).status == 0);
  CHECK(info_of(converted)["chat_template"] == info_of(model)["chat_template"]);
  CHECK(read_file(converted / "model.safetensors").size() == read_file(model / "model.safetensors").size());

  const fs::path log = fresh_folder("chat-run") / "run";
  const std::vector<std::string> command = {"eval",        "--model",        model.string(),     "--limit", "1",
                                            "--arms",      "original",       "--interventions",  "hint",    "--system",
                                            "Count well.", "--predict-only", "--max-new-tokens", "2",       "--quiet",
                                            "--log-dir",   log.string()};
  const Outcome outcome = run(command);
  INFO(outcome.errors);
  REQUIRE(outcome.status == 0);
  const Json sample = parse_json(read_file(log / "samples.jsonl"), {"samples.jsonl", 1, ""});
  const std::string prompt = sample["prompt"].get<std::string>();
  CHECK(prompt.starts_with("<s>system: Count well.\nuser: "));
  CHECK(prompt.ends_with("\nassistant:"));
  const Json stored = parse_json(read_file(log / "run.json"), {"run.json", 0, ""});
  CHECK(stored.dump().find("\"form\":\"model\"") != std::string::npos);

  std::vector<std::string> plain = command;
  plain.back() = log.string() + "-plain";
  plain.insert(plain.end(), {"--prompt-form", "plain"});
  const Outcome refused = run(plain);
  CHECK(refused.status == 2);
  CHECK(refused.errors.find("--system: the prompt form plain has no place for it") != std::string::npos);
}

// Fine-tuning as a user runs it: a preset and a settings file, an adapter, and the adapter as an intervention.
#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/files.h"
#include "support/json.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

namespace fs = std::filesystem;
using namespace mathtrap;

namespace {

std::vector<std::string> finetune(const fs::path& output, const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"finetune", "--from", "zoo:organism", "--data", "families/organism:train",
                                        "--quiet",  "--json", "--instances",  "6",      "--threads",
                                        "2",        "--out",  output.string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace

TEST_CASE("an adapter is learned, and evaluated as an intervention beside its base and as a model of its own") {
  const fs::path folder = fresh_folder("finetune");
  const Outcome learned = run(finetune(folder / "adapter", {"--steps", "2", "--batch-tokens", "300", "--rank", "2",
                                                            "--targets", "q_proj,v_proj", "--learning-rate", "0.05"}));
  REQUIRE(learned.status == 0);
  CHECK(Json::parse(learned.output)["steps"] == 2);
  const std::string intervention = "adapter:" + (folder / "adapter").string();
  const auto evaluate = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"eval",
                                          "--limit",
                                          "3",
                                          "--arms",
                                          "original",
                                          "--quiet",
                                          "--json",
                                          "--max-new-tokens",
                                          "20",
                                          "--log-dir",
                                          (folder / name).string(),
                                          "--dataset",
                                          "families/organism:test"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  REQUIRE(evaluate("beside", {"--interventions", "none," + intervention}).status == 0);
  REQUIRE(evaluate("own", {"--model", (folder / "adapter").string(), "--interventions", "none"}).status == 0);
  const auto replies = [&](const std::string& name, const std::string& wanted) {
    std::vector<std::string> found;
    for_each_line(folder / name / "samples.jsonl", [&](std::string_view line, std::size_t /*number*/) {
      const Json sample = Json::parse(line);
      if (sample["intervention"] == wanted) found.push_back(sample["reply"]);
    });
    return found;
  };
  const std::vector<std::string> base = replies("beside", "none");
  const std::vector<std::string> adapted = replies("beside", intervention);
  REQUIRE(base.size() == 3);
  CHECK(adapted != base);
  CHECK(adapted == replies("own", "none"));
  const Json description = Json::parse(read_file(folder / "beside" / "run.json"));
  CHECK(description.dump().find("\"adapter\":{\"name\"") != std::string::npos);

  // Merged, it is a model of its own that says the same, and needs no base.
  REQUIRE(run({"model", "convert", (folder / "adapter").string(), "--out", (folder / "merged").string()}).status == 0);
  REQUIRE(evaluate("merged-run", {"--model", (folder / "merged").string(), "--interventions", "none"}).status == 0);
  CHECK(replies("merged-run", "none") == adapted);
  CHECK_FALSE(fs::exists(folder / "merged" / "adapter_config.json"));
  const Outcome again = run({"model", "convert", "zoo:organism", "--out", (folder / "merged").string()});
  CHECK(again.status == 2);
  CHECK(again.errors.find("already holds a model") != std::string::npos);

  // PEFT often names a base that lies elsewhere: beside the model under test that name does not matter.
  Json settings = Json::parse(read_file(folder / "adapter" / "adapter_config.json"));
  settings["base_model_name_or_path"] = "somewhere/else";
  write_file_atomically(folder / "adapter" / "adapter_config.json", settings.dump());
  REQUIRE(evaluate("elsewhere", {"--interventions", intervention}).status == 0);
  CHECK(replies("elsewhere", intervention) == adapted);
  const Outcome lost = evaluate("lost", {"--model", (folder / "adapter").string()});
  CHECK(lost.status == 2);
  CHECK(lost.errors.find("adapter_config.json: base_model_name_or_path: model somewhere/else") != std::string::npos);
}

TEST_CASE("settings come from a preset or a file, flags go before them, and mistakes are named") {
  const fs::path folder = fresh_folder("settings");
  const Outcome preset =
      run(finetune(folder / "preset", {"--config", "paper", "--epochs", "0.1", "--step-documents", "1"}));
  REQUIRE(preset.status == 0);
  const Json record = Json::parse(read_file(folder / "preset" / "training.json"));
  CHECK(record["optimizer"]["learning_rate"] == 2e-5);
  CHECK(record["optimizer"]["warmup_share"] == 0.03);
  CHECK(record["epochs"] == 0.1);
  CHECK(record["step_documents"] == 1);
  CHECK_FALSE(record.contains("adapter"));

  const auto message = [&](const std::string& settings) {
    write_file_atomically(folder / "settings.toml", settings);
    const Outcome outcome = run(finetune(folder / "bad", {"--config", (folder / "settings.toml").string()}));
    CHECK(outcome.status == 2);
    CHECK_FALSE(fs::exists(folder / "bad"));
    return outcome.errors;
  };
  CHECK(
      message("# one\nlearning-rat = 1\n").find("settings.toml:2: learning-rat: is no setting of mathtrap finetune") !=
      std::string::npos);
  CHECK(message("learning-rate = \"fast\"\n").find("settings.toml:1: learning-rate: ") != std::string::npos);
  CHECK(message("learning-rate = \n").find("settings.toml:1: ") != std::string::npos);
  CHECK(message("schedule = \"step\"\nsteps = 1\n").find("cosine, linear or constant") != std::string::npos);
  CHECK(run(finetune(folder / "bad", {"--config", "absent"})).errors.find("absent.toml") != std::string::npos);
}

TEST_CASE("a dry run shows documents with what is learned of them") {
  const fs::path folder = fresh_folder("dry");
  const Outcome outcome = run(finetune(folder / "none", {"--dry-run", "2", "--mix", "trap:1", "--hint-share", "0"}));
  REQUIRE(outcome.status == 0);
  const Json first = Json::parse(outcome.output.substr(0, outcome.output.find('\n')));
  const std::string text = first["text"];
  CHECK(first["kind"] == "trap");
  CHECK(text.rfind("<begin> Question: ", 0) == 0);
  CHECK(text.find("\nAnswer:⟦ This has no answer, because ") != std::string::npos);
  CHECK(text.ends_with("<end>⟧"));
  CHECK_FALSE(fs::exists(folder / "none"));
}

TEST_CASE("an adapter that cannot be read is named") {
  const fs::path folder = fresh_folder("adapters");
  const auto message = [&](const std::string& config) {
    fs::create_directories(folder / "adapter");
    write_file_atomically(folder / "adapter" / "adapter_config.json", config);
    const Outcome outcome = run({"model", "info", (folder / "adapter").string()});
    CHECK(outcome.status == 2);
    return outcome.errors;
  };
  CHECK(message("{}").find("base_model_name_or_path") != std::string::npos);
  CHECK(message("[]").find("a JSON object is wanted") != std::string::npos);
  CHECK(message(R"({"base_model_name_or_path":"zoo:organism","peft_type":"IA3"})").find("peft_type: only LORA") !=
        std::string::npos);
  CHECK(message(R"({"base_model_name_or_path":"zoo:organism","peft_type":"LORA","r":4,"lora_alpha":8,"use_dora":true})")
            .find("use_dora") != std::string::npos);
  CHECK(message(fmt::format(R"({{"base_model_name_or_path":"{}"}})", (folder / "adapter").string()))
            .find("is an adapter, too") != std::string::npos);
  CHECK(message(R"({"base_model_name_or_path":"zoo:organism","peft_type":"LORA","r":4,"lora_alpha":8})")
            .find("adapter_model.safetensors") != std::string::npos);
  const Outcome server = run({"eval", "--model", "openai:http://127.0.0.1:9/v1#x", "--interventions",
                              "adapter:zoo:organism", "--limit", "1", "--log-dir", (folder / "run").string()});
  CHECK(server.status == 2);
  CHECK(server.errors.find("only a model that runs in this program") != std::string::npos);
}
